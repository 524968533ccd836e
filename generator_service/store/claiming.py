"""Claims: a worker's next tasks, taken in a transaction of their own or within one that made tasks runnable."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from generator_service.domain import transitions
from generator_service.domain.breaker import Access, Breaker
from generator_service.domain.event import EventType
from generator_service.domain.routing import Routing
from generator_service.domain.task import Task
from generator_service.domain.task_options import Engine
from generator_service.store import statements
from generator_service.store.contract import Claimant, Claimed
from generator_service.store.limits import Limits
from generator_service.store.unit_of_work import UnitOfWork


class CommitClaims:
    """Claims of one worker of this process, made within every transaction that changes a state.

    So a task that is submitted while the worker is idle starts in the commit that stores it. Used by the writer's
    thread only.
    """

    def __init__(
        self, claimant: Claimant, *, owner: str, lease_for: timedelta, limits: Limits, routing: Routing
    ) -> None:
        self._claimant = claimant
        self._claim = partial(claim, owner=owner, lease_for=lease_for, limits=limits, routing=routing)
        self._reserved = 0
        self._claimed = Claimed()

    def make(self, uow: UnitOfWork) -> None:
        """Fill the worker's free slots, if it has any; called again if the transaction has to be run again."""
        self._reserved = self._reserved or self._claimant.reserve()
        if self._reserved:
            self._claimed = self._claim(uow, limit=self._reserved)

    def deliver(self, *, committed: bool) -> None:
        """Hand over the claimed tasks, or none if the transaction was rolled back."""
        reserved, claimed = self._reserved, self._claimed
        self._reserved, self._claimed = 0, Claimed()
        if reserved:
            self._claimant.deliver(claimed if committed else Claimed(), reserved)


def claim(
    uow: UnitOfWork, *, owner: str, limit: int, lease_for: timedelta, limits: Limits, routing: Routing
) -> Claimed:
    """Start up to ``limit`` tasks for a worker, but none that would have to wait for an engine or for the images."""
    claimed: list[Task] = []
    runnable = {"now": uow.queue_time, "running_per_user": limits.running_per_user}
    expires = uow.queue_time + lease_for
    blocked = _held_back(uow, routing)
    more = True
    while more and (left := limit - len(claimed)):
        found = uow.query(statements.NEXT, runnable | {"at_most": left, "blocked": list(blocked)}).all()
        if not found:
            break
        uow.users.adopt(found)
        # Tasks of one priority go together: a start puts its user behind all others. Tasks of a lower priority wait
        # for the next look, since a user's second task may come before them.
        equals = [row for row in found if row.priority == found[0].priority]
        asked = {row.task_id: row.engine for row in equals}
        passed = False
        for task in uow.read_tasks([*asked]):
            # Tasks added by an older process can't be filtered by engine: the worker snoozes them if need be.
            engine = None
            if asked[task.task_id] is not None and (engine := _admit(uow, task, lease_for, routing)) is None:
                passed = True
                continue
            started = transitions.start(task, owner=owner, lease_expires_at=expires, at=uow.now, engine=engine)
            claimed.append(uow.update_task(task, EventType.STARTED, started))
        now_blocked = _held_back(uow, routing)
        if passed and now_blocked == blocked:
            break
        blocked = now_blocked
        more = passed or len(found) == left or any(uow.users.counts(row.user_id).pending for row in found)
    return Claimed(claimed, uow.gates.breakers())


def _held_back(uow: UnitOfWork, routing: Routing) -> set[str]:
    """Return the requests whose tasks have to wait: for a breaker, a pause, or an engine that is at its limit."""
    now = uow.queue_time
    held = set(routing.blocked(uow.gates.breakers(), now))
    if full := uow.full_engines():
        held |= routing.bound_for(full, uow.gates.breakers(), now)
    return held


def _admit(uow: UnitOfWork, task: Task, lease_for: timedelta, routing: Routing) -> Engine | None:
    """Return the engine of a task that may start now; None if it has to wait.

    If it would probe a half-open breaker, it becomes its only probe first.
    """
    now = uow.queue_time
    route = routing.of_task(task).route(task.options.engine, uow.gates.breakers(), now)
    if route.engine is None or route.engine in uow.full_engines():
        return None
    begun: list[str] = []
    for name in route.probes:
        after = uow.gates.change_breaker(
            name, partial(_begin_probe, task_id=task.task_id, now=now, lease_for=lease_for)
        )
        if after.access(now, task.task_id) is Access.BLOCKED:
            for other in begun:
                uow.gates.change_breaker(other, partial(Breaker.end_probe, task_id=task.task_id))
            return None
        begun.append(name)
    uow.count_start(route.engine)
    return route.engine


def _begin_probe(breaker: Breaker, task_id: int, now: datetime, lease_for: timedelta) -> Breaker:
    # As it is under the lock: another worker may have been quicker.
    return breaker.begin_probe(task_id, now + lease_for) if breaker.access(now) is Access.PROBE else breaker
