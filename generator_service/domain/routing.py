"""Route a task to an engine, given the breakers, or to the breaker that it has to wait for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from generator_service.domain.breaker import BLOBS, PAUSE, Access, Breaker, engine_breaker, pause_name
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import Task
from generator_service.domain.task_options import Engine, stored_names

AUTO_CUTTING = "auto_cutting"
"""Request for an automatically chosen engine that applies the task's mask or hints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The engine of a task at a moment, or the breaker that it has to wait for."""

    engine: Engine | None = None
    """None: the task has to wait."""
    probes: tuple[str, ...] = ()
    """Names of the breakers that the task would probe."""
    passed_over: tuple[Breaker, ...] = ()
    """Breakers of the engines that AUTO prefers and can't use."""
    blocked_by: Breaker | None = None
    """The breaker that the task has to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Rule by which tasks are assigned to engines."""

    order: tuple[Engine, ...] = (Engine.LOCAL,)
    """Engines that AUTO may use, the preferred one first."""
    fallback_after: timedelta = timedelta(seconds=60)
    """How long an outage must last, or be known to last, before AUTO uses the next engine."""

    def of_task(self, task: Task) -> Routing:
        """Return the rule for one task: with a mask or hints, AUTO uses no generative engine."""
        return self._cutting() if task.guided else self

    def _cutting(self) -> Routing:
        order = tuple(engine for engine in self.order if not engine.generative)
        return replace(self, order=order or (Engine.LOCAL,))

    def route(
        self, requested: Engine, breakers: Mapping[str, Breaker], now: datetime, task_id: int | None = None
    ) -> Route:
        """Return the engine for a task that requests ``requested``. An engine requested by name has no substitute."""
        probes: list[str] = []
        if (pause := breakers.get(PAUSE)) is not None and pause.access(now) is Access.BLOCKED:
            return Route(blocked_by=pause)
        if (store := breakers.get(BLOBS)) is not None:
            access = store.access(now, task_id)
            if access is Access.BLOCKED:
                return Route(blocked_by=store)
            probes += [BLOBS] if access is Access.PROBE else []
        passed_over: list[Breaker] = []
        for engine in self.order if requested is Engine.AUTO else (requested,):
            breaker = _breaker_of(engine, breakers, now)
            access = Access.FREE if breaker is None else breaker.access(now, task_id)
            if breaker is None or access is not Access.BLOCKED:
                probes += [engine_breaker(engine)] if access is Access.PROBE else []
                return Route(engine=engine, probes=tuple(probes), passed_over=tuple(passed_over))
            if requested is not Engine.AUTO or not breaker.outlasts(self.fallback_after, now):
                return Route(blocked_by=breaker)
            passed_over.append(breaker)
        return Route(blocked_by=min(passed_over, key=lambda breaker: breaker.open_until or now))

    def bound_for(self, engines: Collection[Engine], breakers: Mapping[str, Breaker], now: datetime) -> set[str]:
        """Return the requests, as `request_of` names them, whose tasks would be assigned to one of these engines."""
        routes = {name: self.route(each, breakers, now) for each in Engine for name in stored_names(each)}
        routes[AUTO_CUTTING] = self._cutting().route(Engine.AUTO, breakers, now)
        return {request for request, route in routes.items() if route.engine in engines}

    def blocked(self, breakers: Mapping[str, Breaker], now: datetime) -> Mapping[str, Breaker]:
        """Return the breakers that tasks have to wait for, by the `request_of` of those tasks."""
        routes = {name: self.route(each, breakers, now) for each in Engine for name in stored_names(each)}
        routes[AUTO_CUTTING] = self._cutting().route(Engine.AUTO, breakers, now)
        return {request: route.blocked_by for request, route in routes.items() if route.blocked_by is not None}


def _breaker_of(engine: Engine, breakers: Mapping[str, Breaker], now: datetime) -> Breaker | None:
    """Return the pause of an engine while there is one, else its circuit breaker."""
    pause = breakers.get(pause_name(engine))
    if pause is not None and pause.access(now) is Access.BLOCKED:
        return pause
    return breakers.get(engine_breaker(engine))


def request_of(task: Task) -> str:
    """Return the requested engine of a task as the queue's rows store it; at most 16 characters."""
    guided = task.guided and task.options.engine is Engine.AUTO
    return AUTO_CUTTING if guided else task.options.engine.value


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitPolicy:
    """How tasks wait for an engine or image store that is unavailable."""

    routing: Routing = field(default_factory=Routing)
    reopen: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(base=timedelta(seconds=2), cap=timedelta(minutes=2))
    )
    """How long a breaker stays open, by how often it has opened."""
    lost_leases: int = 5
    """Number of lost workers at which a task fails."""
