"""What operators do with the queue; `tests/contract/store/test_queue_control.py` holds each backend to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from generator_service.domain.api_key import ApiKey
from generator_service.domain.breaker import Breaker
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.event import TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.domain.task_options import Engine
from generator_service.domain.usage import DayUsage
from generator_service.domain.worker_info import WorkerInfo
from generator_service.store.limits import UserLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Selects tasks of all users; every condition that is set must hold."""

    states: Collection[TaskState] = ()
    """Any of these; empty for all."""
    user_id: str | None = None
    error_codes: Collection[str] = ()
    """Any of these as the code of the task's error; empty for all."""
    engine: Engine | None = None
    """The requested engine."""
    created_from: datetime | None = None
    """Wall time, inclusive."""
    created_before: datetime | None = None
    """Wall time, exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTasks:
    """A page of tasks, newest first, and how many match on all pages."""

    tasks: Sequence[Task]
    total: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """A user with stored tasks or limits."""

    user_id: str
    pending: int = 0
    running: int = 0
    stored_bytes: int = 0
    limits: UserLimits = field(default_factory=UserLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineQueue:
    """Tasks of one engine: the assigned one where tasks run, otherwise the requested one."""

    engine: Engine
    pending: int = 0
    """Tasks that are due."""
    scheduled: int = 0
    """Waiting tasks that are due later."""
    running: int = 0
    completed: int = 0
    """Tasks completed in the period asked for."""
    failed: int = 0
    """Tasks that failed or timed out in it."""
    oldest: timedelta = timedelta()
    """For how long the oldest of ``pending`` could have started: since its creation, or the end of its wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed tasks with the same code."""

    code: str
    count: int
    latest_at: datetime
    message: str
    """Of the newest task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The queue at one moment."""

    engines: Sequence[EngineQueue]
    """In the order of `Engine`; engines without any task are left out."""
    running: Sequence[Task]
    """Longest running first."""
    failures: Sequence[FailureGroup]
    """Most frequent first."""
    workers: Sequence[WorkerInfo]
    """Live workers, idle ones too, in the order of their names."""


class AdminStore(Protocol):
    """Control of the queue. Every method is safe to call from the event loop and does not block it."""

    async def pause(self, engine: Engine | None, *, note: str, lasts: timedelta | None) -> Breaker:
        """Stop claims for an engine, or all claims (None); for ``lasts``, or until `resume`. Running tasks go on.

        The pause holds for every claim that begins after this returns.
        """
        ...

    async def resume(self, engine: Engine | None) -> None:
        """End a pause; without one, nothing changes."""
        ...

    async def set_engine_limit(self, limit: EngineLimit) -> None:
        """Replace the limit of an engine, which holds over all workers."""
        ...

    async def engine_limits(self) -> Mapping[Engine, EngineLimit]:
        """Read the engines that have a limit."""
        ...

    async def overview(self, *, now: datetime, ended_from: datetime, failures_from: datetime) -> Overview:
        """Read the queue by engine, running tasks, failures by code and live workers.

        Completed and failed tasks count from ``ended_from`` on, by their end; failures are grouped if created at
        ``failures_from`` or later. All are wall times.
        """
        ...

    async def renew_worker(self, worker: WorkerInfo, *, lasts: timedelta) -> None:
        """Register a worker, or renew its registration, which expires after ``lasts`` of queue time."""
        ...

    async def remove_worker(self, name: str) -> None:
        """Remove a worker's registration; without one, nothing changes."""
        ...

    async def workers(self) -> Sequence[WorkerInfo]:
        """Read the live workers in the order of their names."""
        ...

    async def set_user_limits(self, user_id: str, limits: UserLimits) -> None:
        """Replace the limits of a user; with none set, the defaults hold again."""
        ...

    async def user_limits(self) -> Mapping[str, UserLimits]:
        """Read the users who have limits of their own."""
        ...

    async def users(self, *, after: str, limit: int) -> Sequence[UserRecord]:
        """Read users with names after ``after``, in the order of their names."""
        ...

    async def set_priority(self, task_id: int, priority: int) -> Task:
        """Change the priority of a waiting task.

        Raises:
            TaskNotFound: there is none.
            InvalidTransition: the task runs, or has ended.

        """
        ...

    async def age_priorities(self, step: timedelta) -> Sequence[Task]:
        """Raise waiting tasks to the highest waiting priority that have waited ``step`` for each level in between."""
        ...

    async def purge_user(self, user_id: str) -> bool:
        """Delete all that is stored about a user beside tasks: events, limits, API keys, webhooks, dead letters.

        Returns False, and leaves the events, if the user has tasks. The usage becomes that of deleted users.
        """
        ...

    async def usage(
        self, *, first: date, last: date, user_id: str | None, after: tuple[date, str] | None, limit: int
    ) -> Sequence[DayUsage]:
        """Read the usage of the days from ``first`` to ``last``, in the order of days and users.

        ``user_id`` None means all users, the deleted ones as `DELETED_USERS`; ``after`` is the last entry read before.
        """
        ...

    async def forget_usage(self, before: date) -> int:
        """Delete the usage of the days before ``before``; return the number of entries."""
        ...

    async def create_api_key(self, key: ApiKey) -> None:
        """Store a new key."""
        ...

    async def api_keys(self) -> Sequence[ApiKey]:
        """Read all keys, oldest first."""
        ...

    async def revoke_api_key(self, key_id: str) -> ApiKey:
        """Revoke a key; a revoked one keeps its time.

        Raises:
            ApiKeyNotFound: there is none.

        """
        ...

    async def record_key_use(self, used: Mapping[str, datetime]) -> None:
        """Record the latest use of keys, by id."""
        ...

    async def history(self, task_id: int, *, limit: int) -> Sequence[TaskEvent]:
        """Read the latest stored events of a task, oldest first."""
        ...

    async def find_tasks(self, wanted: TaskFilter, *, before: int | None, limit: int) -> FoundTasks:
        """Read tasks with an id below ``before``, newest first."""
        ...
