"""Circuit breakers: whether an engine or the image store may be used at present. Pure.

A breaker is closed (the dependency is in use), open (not used before ``open_until``) or half-open (``open_until`` has
passed, and one task may probe the dependency). The store persists breakers as rows, so that all workers share them;
every change is a function from one value to the next, with the time passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import WaitReason
from generator_service.domain.task_options import Engine

BLOBS = "blobs"
"""Name of the image store's breaker."""

PAUSE = "pause"
"""Name of the operator's pause of all claims. A pause is a breaker that nothing but its resumption closes."""
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""End of a pause without an end."""

_TITLES = {Engine.LOCAL: "the local engine", Engine.GEMINI: "Gemini", Engine.NEURAL: "the neural engine"}
_AGAIN = timedelta(seconds=1)
"""Delay before a task retries a half-open breaker that another task is probing."""


def engine_breaker(engine: Engine) -> str:
    """Return the name of an engine's breaker; AUTO, which is not an engine itself, has none."""
    return f"engine:{engine.value}"


def pause_name(engine: Engine | None) -> str:
    """Return the name of the pause of an engine; None: of all claims."""
    return PAUSE if engine is None else f"{PAUSE}:{engine.value}"


def is_pause(name: str) -> bool:
    """Return whether a breaker's name is that of a pause."""
    return name == PAUSE or name.startswith(f"{PAUSE}:")


def without_pauses(breakers: Mapping[str, Breaker]) -> dict[str, Breaker]:
    """Return the breakers that hold for a running task: a pause stops claims only."""
    return {name: each for name, each in breakers.items() if not is_pause(name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The reason for which a task has to wait, and the dependency that it waits for."""

    reason: WaitReason
    code: str
    """Stable name in lower_snake_case, such as ``rate_limited``."""
    message: str
    """The actual cause, in words."""
    dependency: str | None = None
    """Name of the breaker to open; None if the task only waits for a worker."""
    retry_after: timedelta | None = None
    """Wait requested by the dependency."""
    lasting: bool = False
    """Whether the outage is known to last, such as a daily quota that is used up."""
    observed: bool = True
    """Whether a call failed; False if the breaker was already open."""

    @property
    def stage(self) -> str:
        """Stage shown for a waiting task."""
        if self.dependency is None:
            return "queued"
        if self.dependency == BLOBS:
            return "waiting for image storage"
        if self.reason is WaitReason.PAUSED:
            return "paused"
        title = title_of(self.dependency)
        return f"waiting for {title}'s quota" if self.reason is WaitReason.RATE_LIMITED else f"waiting for {title}"


def title_of(name: str) -> str:
    """Return the display name of a breaker's dependency."""
    if name == BLOBS:
        return "image storage"
    if name == PAUSE:
        return "the queue"
    return _TITLES[Engine(name.rpartition(":")[2])]


class Condition(StrEnum):
    """The condition of a breaker at a moment."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Access(Enum):
    """Access that a breaker grants a task at a moment."""

    FREE = "free"
    PROBE = "probe"
    """The task may try, as the only one."""
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one breaker. All fields but the name are empty while it is closed."""

    name: str
    reason: WaitReason | None = None
    code: str = ""
    message: str = ""
    failing_since: datetime | None = None
    """When the breaker first opened since it was last closed."""
    opened_at: datetime | None = None
    """When the breaker last opened."""
    open_until: datetime | None = None
    trips: int = 0
    """How often the breaker opened since it was last closed."""
    lasting: bool = False
    """See `Outage.lasting`."""
    probe_task: int | None = None
    probe_until: datetime | None = None
    """When the probe expires, unless its worker renews it."""

    @property
    def closed(self) -> bool:
        """Whether the breaker is closed, independent of the time."""
        return self.open_until is None

    def condition(self, now: datetime) -> Condition:
        """Return the condition at ``now``."""
        if self.open_until is None or (self.reason is WaitReason.PAUSED and now >= self.open_until):
            return Condition.CLOSED
        return Condition.OPEN if now < self.open_until else Condition.HALF_OPEN

    def access(self, now: datetime, task_id: int | None = None) -> Access:
        """Return the access of a task; ``task_id`` None stands for a task that has not started."""
        match self.condition(now):
            case Condition.CLOSED:
                return Access.FREE
            case Condition.OPEN:
                return Access.BLOCKED
            case Condition.HALF_OPEN:
                mine = task_id is not None and task_id == self.probe_task
                return Access.PROBE if mine or not self._probed(now) else Access.BLOCKED

    def _probed(self, now: datetime) -> bool:
        return self.probe_until is not None and now < self.probe_until

    def trip(self, outage: Outage, now: datetime, policy: RetryPolicy) -> Breaker:
        """Open after a failed call, for longer each time; an open breaker is extended only by the call's own hint."""
        if self.condition(now) is Condition.OPEN:
            assert self.open_until is not None  # noqa: S101 (narrows: it is open)
            until = max(self.open_until, now + (outage.retry_after or timedelta()))
            return replace(self, open_until=until, lasting=self.lasting or outage.lasting)
        trips = self.trips + 1
        return Breaker(
            name=self.name,
            reason=outage.reason,
            code=outage.code,
            message=outage.message,
            failing_since=self.failing_since or now,
            opened_at=now,
            open_until=now + policy.delay(trips, outage.retry_after),
            trips=trips,
            lasting=outage.lasting,
        )

    def succeed(self, began: datetime, task_id: int | None = None) -> Breaker:
        """Close after a call that succeeded, unless it began before the breaker opened; a probe always closes it."""
        probe = task_id is not None and task_id == self.probe_task
        late = self.opened_at is not None and began < self.opened_at
        return self if late and not probe else Breaker(name=self.name)

    def begin_probe(self, task_id: int, until: datetime) -> Breaker:
        """Let one task probe the dependency."""
        return replace(self, probe_task=task_id, probe_until=until)

    def renew_probe(self, task_id: int, until: datetime) -> Breaker:
        """Extend a probe if this task still holds it."""
        return replace(self, probe_until=until) if self.probe_task == task_id else self

    def end_probe(self, task_id: int) -> Breaker:
        """Release the probe for another task: this one ended without showing whether the dependency works."""
        return replace(self, probe_task=None, probe_until=None) if self.probe_task == task_id else self

    def pause(self, note: str, now: datetime, until: datetime | None) -> Breaker:
        """Pause claims, or change the note and the end of a pause."""
        return Breaker(
            name=self.name,
            reason=WaitReason.PAUSED,
            code="paused",
            message=note or f"an operator paused {title_of(self.name)}",
            failing_since=self.failing_since or now,
            opened_at=self.opened_at or now,
            open_until=until or FOREVER,
            lasting=True,
        )

    def resume(self) -> Breaker:
        """End a pause."""
        return Breaker(name=self.name)

    def outlasts(self, span: timedelta, now: datetime) -> bool:
        """Return whether the outage has lasted, or is known to last, for at least ``span``."""
        if self.open_until is None or self.failing_since is None:
            return False
        return self.lasting or max(now, self.open_until) - self.failing_since >= span

    def outage(self) -> Outage:
        """Return the outage for a task that is blocked by this breaker."""
        return Outage(
            reason=self.reason or WaitReason.ENGINE_UNAVAILABLE,
            code=self.code,
            message=self.message,
            dependency=self.name,
            lasting=self.lasting,
            observed=False,
        )

    def run_at(self, now: datetime) -> datetime:
        """Return when a task that is blocked by this breaker should retry."""
        return self.open_until if self.open_until is not None and self.open_until > now else now + _AGAIN
