"""Queue positions, progress and remaining times of unfinished tasks, folded from the log."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from generator_service.domain.breaker import FOREVER, Breaker
from generator_service.domain.clock import Clock
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.routing import Routing, request_of
from generator_service.domain.task import Progress, Task, TaskError, TaskState, WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.limits import UserLimits
from generator_service.store.views import QueueSnapshot
from generator_service.watch.queue_state import QueueState

RANKED_AT_ONCE = 500
"""With no more tasks than this waiting, positions are computed whenever they are asked for: it takes a millisecond."""
SLICE = 250
"""Tasks ranked at a time; between two slices everything else in the process has its turn."""
PAUSE_PER_TASK = timedelta(microseconds=50)
"""Pause after ranking, for each task that waits: some twenty times the cost of ranking it."""
STEPPED = timedelta(seconds=1)
"""By so much queue time and wall clock must differ before it is shown."""


class Durations:
    """How long a picture takes, learned from the log: a running mean per engine and size class."""

    WEIGHT = 0.2
    UNKNOWN = timedelta(seconds=5)

    def __init__(self) -> None:
        self._seconds: dict[tuple[Engine, int], float] = {}

    def learn(self, event: TaskEvent) -> None:
        """Learn from an event; only completions are informative."""
        task = event.task
        if event.type is not EventType.COMPLETED or task.started_at is None or task.result is None:
            return
        took = (task.updated_at - task.started_at).total_seconds()
        if took > task.timeout.total_seconds():
            # No attempt lasts longer: the wall clock was set forward meanwhile.
            return
        for engine in (task.result.engine, Engine.AUTO):
            key = (engine, _size_class(task))
            known = self._seconds.get(key, took)
            self._seconds[key] = known + self.WEIGHT * (took - known)

    def expected(self, task: Task) -> timedelta:
        """Return how long an attempt of this task should take."""
        engine, size = task.options.engine, _size_class(task)
        same_engine = [(abs(known - size), s) for (name, known), s in self._seconds.items() if name is engine]
        return timedelta(seconds=min(same_engine)[1]) if same_engine else self.UNKNOWN


def _size_class(task: Task) -> int:
    """Sizes of one class differ by less than a factor of two."""
    return math.floor(math.log2(max(task.input.megapixels, 0.01)))


@dataclass(slots=True)
class _Latest:
    percent: int
    stage: str


class QueueView:
    """All unfinished tasks with their latest progress, queue positions and remaining times.

    ``slots`` is how many tasks this process runs at once, 0 if none; ``running_per_user`` how many each user may.
    ``queue_time`` returns the time by which tasks become due and breakers close.
    """

    def __init__(
        self,
        clock: Clock,
        slots: int,
        *,
        running_per_user: int,
        queue_time: Callable[[], datetime],
        routing: Routing | None = None,
    ) -> None:
        self._clock = clock
        self._queue_time = queue_time
        self._slots = slots
        self._running_per_user = running_per_user
        self._state = QueueState()
        self._routing = routing or Routing()
        self._running_limits: Mapping[str, int] = {}
        """Tasks that may run at the same time, of users with limits of their own."""
        self._blocked: Mapping[str, Breaker] = {}
        """The open breakers that tasks wait for, by the requested engine."""
        self._progress: dict[int, _Latest] = {}
        self._waiting_since: dict[int, float] = {}
        """Monotonic times, earliest first."""
        self.positions: Mapping[int, int] = {}
        """Task id → queue position, from 1, in this order, then 0 for tasks that a circuit breaker blocks.

        As of the latest ranking, and never changed in place.
        """
        self._busy = timedelta()
        self._changed = False
        self._next_due: datetime | None = None
        self._rankings = 0
        self._rank_again_at = clock.monotonic()
        self._ranking_alone = asyncio.Lock()
        self.durations = Durations()

    def load(self, snapshot: QueueSnapshot) -> None:
        """Start from a snapshot."""
        self._state.load(snapshot)
        self._changed = True
        now, wall = self._clock.monotonic(), self._clock.now()
        since = {
            task.task_id: now - max(0.0, (wall - task.updated_at).total_seconds())
            for task in snapshot.tasks
            if task.state is TaskState.PENDING
        }
        self._waiting_since = dict(sorted(since.items(), key=lambda each: each[1]))

    def fold(self, events: Sequence[TaskEvent]) -> None:
        """Apply events; those older than the known state have no effect."""
        for event in events:
            self.durations.learn(event)
            if self._state.apply(event):
                self._changed = True
                self._progress.pop(event.task.task_id, None)
                if event.type is EventType.UPDATED:
                    continue
                self._waiting_since.pop(event.task.task_id, None)
                if event.task.state is TaskState.PENDING:
                    self._waiting_since[event.task.task_id] = self._clock.monotonic()

    def known(self, task_id: int) -> Task | None:
        """Return an unfinished task as its latest event left it; None if it is not known here."""
        return self._state.tasks.get(task_id)

    def take_progress(self, progress: Progress) -> None:
        """Keep the latest progress of a running task."""
        if progress.task_id in self._state.tasks and progress.attempt:
            self._progress[progress.task_id] = _Latest(progress.percent, progress.stage)

    def take_breakers(self, breakers: Mapping[str, Breaker]) -> None:
        """Keep the latest breakers: tasks that need one that is open wait, also those that have not begun."""
        now, open_ones = self._queue_time(), {name: each for name, each in breakers.items() if not each.closed}
        blocked = self._routing.blocked(open_ones, now) if open_ones else {}
        if blocked != self._blocked:
            self._blocked = blocked
            self._changed = True

    def take_user_limits(self, limits: Mapping[str, UserLimits]) -> None:
        """Keep the limits of users that differ from the defaults."""
        running = {user: each.running for user, each in limits.items() if each.running is not None}
        if running != self._running_limits:
            self._running_limits = running
            self._changed = True

    def _waiting_for(self, task: Task, now: datetime) -> Task:
        """Return a pending task with its current reason for waiting."""
        blocked = self._blocker(task)
        if blocked is None or blocked.open_until is None:
            return task
        outage = blocked.outage()
        return replace(
            task,
            wait_reason=outage.reason,
            error=TaskError(code=outage.code, message=outage.message, retryable=True),
            # A pause without an end has no time at which it is expected to end.
            run_at=None if blocked.open_until == FOREVER else max(task.run_at or now, blocked.open_until),
            stage=outage.stage,
        )

    def _blocker(self, task: Task) -> Breaker | None:
        """Return the open breaker that a task waits for; None if there is none."""
        return self._blocked.get(request_of(task))

    def present(self, task: Task) -> Task:
        """Add the latest progress, or the reason for waiting, to a task read from the database."""
        if task.state is TaskState.PENDING:
            return self._waiting_for(task, self._queue_time())
        latest = self._progress.get(task.task_id)
        known = self.known(task.task_id)
        if latest is None or known is None or (known.attempt, task.state) != (task.attempt, TaskState.PROCESSING):
            return task
        return replace(task, progress=max(task.progress, latest.percent), stage=latest.stage)

    def place(self, task_id: int) -> int:
        """Return a task's queue position, from 1; 0 if it can't run now, does not wait or is not known here.

        In a long queue, of the latest ranking: `rank` first, where it has to be of the present.
        """
        if self._state.waiting <= RANKED_AT_ONCE and self._may_rank():
            for _ in self._ranking():
                pass
        # Positions may be a moment old, in which the task was started.
        known = self.known(task_id)
        return self.positions.get(task_id, 0) if known is not None and known.state is TaskState.PENDING else 0

    @property
    def outdated(self) -> bool:
        """Whether the queue has changed since the latest ranking: the next one may be too soon after it."""
        return self._changed

    async def rank(self) -> None:
        """Bring all positions up to date, unless they were ranked a moment ago; never blocks for long."""
        async with self._ranking_alone:
            if self._may_rank():
                for _ in self._ranking():
                    await asyncio.sleep(0)

    def remaining(self, task: Task) -> timedelta | None:
        """Return how long until the task should be done; None for a terminal one, or if it is unknown."""
        if task.state.terminal:
            return None
        expected = self.durations.expected(task)
        if task.state is TaskState.PROCESSING:
            return self._left(task, expected, self._clock.now())
        now = self._queue_time()
        shown = self._waiting_for(task, now)
        if shown is not task and shown.run_at is None:
            return None
        task = shown
        if not _due(task, now):
            assert task.run_at is not None  # noqa: S101 (what is not due has a time)
            return task.run_at - now + expected
        return self._remaining_at(self.place(task.task_id), expected)

    def remaining_of(self, task_id: int) -> timedelta | None:
        """Return how long until a task should be done, by its id."""
        task = self.known(task_id)
        return None if task is None else self.remaining(task)

    def position_update(self, task_id: int, position: int) -> Progress | None:
        """Return a task's queue position and remaining time, or its blocking breaker; None if it is not waiting."""
        task = self.known(task_id)
        if task is None or task.state is not TaskState.PENDING:
            return None
        expected = self.durations.expected(task)
        shown = self._waiting_for(task, self._queue_time())
        return Progress(
            task_id=task.task_id,
            user_id=task.user_id,
            attempt=task.attempt,
            percent=0,
            stage=shown.stage,
            updated_at=self._clock.now(),
            queue_position=position,
            remaining=self._remaining_at(position, expected) if position else self.remaining(task),
            wait_reason=shown.wait_reason,
            run_at=None if shown.wait_reason is None else shown.run_at,
        )

    def wait_of(self, task_id: int) -> tuple[WaitReason | None, datetime | None]:
        """Return reason and end of the breaker that blocks a task; both None if none does."""
        task = self.known(task_id)
        blocked = None if task is None else self._blocker(task)
        return (None, None) if blocked is None else (blocked.reason, blocked.open_until)

    def oldest_waiting(self) -> timedelta:
        """Return for how long the task has waited that could have run for longest; 0 if none could.

        Measured since this process knows it to wait, so that a step of the wall clock changes nothing.
        """
        now, due = self._clock.monotonic(), self._queue_time()
        oldest = timedelta()
        for task_id, since in self._waiting_since.items():
            waited = timedelta(seconds=now - since)
            task = self._state.tasks[task_id]
            shown = self._waiting_for(task, due)
            if shown.wait_reason is WaitReason.PAUSED:
                continue
            run_at = shown.run_at
            if run_at is None:
                # All that follow wait for less.
                return max(oldest, waited)
            oldest = max(oldest, min(waited, due - run_at))
        return oldest

    def wall_time(self, queue_time: datetime | None) -> datetime | None:
        """Return a queue time as the wall clock will show it; None stays None."""
        if queue_time is None:
            return None
        stepped = self._clock.now() - self._queue_time()
        return queue_time if abs(stepped) < STEPPED else queue_time + stepped

    @property
    def _parallel(self) -> int:
        """How many tasks run at once, in all processes as far as the log shows; 0 if that is not known."""
        return max(self._slots, len(self._state.running))

    def _left(self, task: Task, expected: timedelta, now: datetime) -> timedelta:
        # An attempt that takes longer than expected is believed to be in its last tenth. Clocks may have been set back.
        since = max(timedelta(), now - (task.started_at or now))
        return max(expected - since, expected / 10)

    def _remaining_at(self, position: int, expected: timedelta) -> timedelta | None:
        if not position or not self._parallel:
            return None
        return (self._busy + (position - 1) * expected) / self._parallel + expected

    def _may_rank(self) -> bool:
        """Return whether positions are out of date, and the latest ranking was long enough ago."""
        due = self._next_due is not None and self._next_due <= self._queue_time()
        return (self._changed or due) and self._clock.monotonic() >= self._rank_again_at

    def _ranking(self) -> Iterator[None]:
        """Order the waiting tasks as they will be claimed; yield after each slice."""
        self._rankings += 1
        number = self._rankings
        self._changed = False
        self._rank_again_at = self._clock.monotonic() + (self._state.waiting * PAUSE_PER_TASK).total_seconds()
        wall, now = self._clock.now(), self._queue_time()
        tasks = self._state.tasks
        running = [tasks[task_id] for task_id in self._state.running]
        self._busy = sum((self._left(task, self.durations.expected(task), wall) for task in running), timedelta())
        not_due: list[datetime] = []
        blocked: dict[int, int] = {}

        def runnable(task: Task) -> bool:
            shown = self._waiting_for(task, now)
            if shown is not task:
                # Until its breaker lets it through, even past the breaker's time: another task may be probing it.
                blocked[task.task_id] = 0
            elif _due(task, now):
                return True
            if shown.run_at is not None and shown.run_at > now:
                not_due.append(shown.run_at)
            return False

        order = self._state.predict(
            runnable,
            slots=max(1, self._parallel),
            running_per_user=self._running_per_user,
            own_limits=self._running_limits,
        )
        self._next_due = min(not_due, default=None)
        positions = {}
        for position, task_id in enumerate(order, start=1):
            positions[task_id] = position
            if position % SLICE == 0:
                yield
        # A later ranking, of a shorter queue, may have overtaken this one.
        if number == self._rankings:
            self.positions = positions | blocked


def _due(task: Task, now: datetime) -> bool:
    return task.run_at is None or task.run_at <= now
