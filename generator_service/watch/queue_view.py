"""The queue as this process sees it, folded from the log: who waits where, and for how long."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from generator_service.domain.clock import Clock
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Engine, Progress, Task, TaskState

RANKED_AT_MOST = 20_000
"""With more tasks waiting, places are not told: ranking them would hold up everybody."""
RANK_EVERY = timedelta(milliseconds=200)
"""Ranking costs in proportion to the queue; a burst of events must not pay for it each time."""


class Durations:
    """How long a picture takes, learned from the log: a running mean per engine and size class."""

    WEIGHT = 0.2
    UNKNOWN = timedelta(seconds=5)

    def __init__(self) -> None:
        self._seconds: dict[tuple[Engine, int], float] = {}

    def learn(self, event: TaskEvent) -> None:
        """Take in an event; only completions tell anything."""
        task = event.task
        if event.type is not EventType.COMPLETED or task.started_at is None or task.result is None:
            return
        took = (task.updated_at - task.started_at).total_seconds()
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
    """All unfinished tasks with their latest progress, places and remaining times."""

    def __init__(self, clock: Clock, slots: int) -> None:
        self._clock = clock
        self._slots = slots
        self._tasks: dict[int, Task] = {}
        self._progress: dict[int, _Latest] = {}
        self._places: dict[int, int] = {}
        self._busy = timedelta()
        self._running = 0
        self._changed = False
        self._ranked_at = clock.now() - RANK_EVERY
        self.durations = Durations()

    def load(self, unfinished: Sequence[Task]) -> None:
        """Start from the unfinished tasks of a snapshot."""
        self._tasks = {task.task_id: task for task in unfinished}
        self._changed = True

    def fold(self, events: Sequence[TaskEvent]) -> None:
        """Take in events; those older than what is known of their task change nothing."""
        for event in events:
            self.durations.learn(event)
            task = event.task
            known = self._tasks.get(task.task_id)
            if known is not None and known.seq >= task.seq:
                continue
            self._progress.pop(task.task_id, None)
            if task.state.terminal:
                self._tasks.pop(task.task_id, None)
            else:
                self._tasks[task.task_id] = task
            self._changed = True

    def known(self, task_id: int) -> Task | None:
        """Return an unfinished task as its latest event left it; None if it is not known here."""
        return self._tasks.get(task_id)

    def take_progress(self, progress: Progress) -> None:
        """Keep the latest progress of a running task."""
        if progress.task_id in self._tasks and progress.attempt:
            self._progress[progress.task_id] = _Latest(progress.percent, progress.stage)

    def present(self, task: Task) -> Task:
        """Add the latest progress to a task read from the database."""
        latest = self._progress.get(task.task_id)
        known = self._tasks.get(task.task_id)
        if latest is None or known is None or (known.attempt, task.state) != (task.attempt, TaskState.PROCESSING):
            return task
        return replace(task, progress=max(task.progress, latest.percent), stage=latest.stage)

    def place(self, task_id: int) -> int:
        """Return a task's place in the queue, from 1; 0 if it does not wait or is not known here."""
        now = self._clock.now()
        if self._changed and now - self._ranked_at >= RANK_EVERY:
            self._rank(now)
        # Places may be a moment old, in which the task was started.
        known = self._tasks.get(task_id)
        return self._places.get(task_id, 0) if known is not None and known.state is TaskState.PENDING else 0

    def remaining(self, task: Task) -> timedelta | None:
        """Return how long until the task should be done; None for a terminal one, or if it can't be told."""
        if task.state.terminal:
            return None
        expected = self.durations.expected(task)
        now = self._clock.now()
        if task.state is TaskState.PROCESSING:
            return self._left(task, expected, now)
        place = self.place(task.task_id)
        if not place:
            return None
        backoff = max(timedelta(), (task.run_at or now) - now)
        return max(backoff, (self._busy + (place - 1) * expected) / max(self._slots, self._running)) + expected

    def remaining_of(self, task_id: int) -> timedelta | None:
        """Return how long until a task should be done, by its id."""
        task = self._tasks.get(task_id)
        return None if task is None else self.remaining(task)

    def waiting(self) -> Iterator[Progress]:
        """Yield the present place and remaining time of every task that waits."""
        now = self._clock.now()
        for task in self._tasks.values():
            if task.state is TaskState.PENDING and (place := self.place(task.task_id)):
                yield Progress(
                    task_id=task.task_id,
                    user_id=task.user_id,
                    attempt=task.attempt,
                    percent=0,
                    stage="queued",
                    updated_at=now,
                    queue_position=place,
                    remaining=self.remaining(task),
                )

    def _left(self, task: Task, expected: timedelta, now: datetime) -> timedelta:
        # An attempt that takes longer than expected is believed to be in its last tenth.
        since = now - (task.started_at or now)
        return max(expected - since, expected / 10)

    def _rank(self, now: datetime) -> None:
        """Order the waiting as claims will find them: priority, then each user's turn, then age."""
        self._changed = False
        self._ranked_at = now
        self._places.clear()
        self._busy = timedelta()
        self._running = 0
        turn: defaultdict[str, int] = defaultdict(int)
        pending = []
        for task in self._tasks.values():
            if task.state is TaskState.PROCESSING:
                turn[task.user_id] += 1
                self._running += 1
                self._busy += self._left(task, self.durations.expected(task), now)
            else:
                pending.append(task)
        if len(pending) > RANKED_AT_MOST:
            return
        ranked = []
        for task in sorted(pending, key=lambda t: (-t.priority, t.task_id)):
            ranked.append((-task.priority, turn[task.user_id], task.task_id))
            turn[task.user_id] += 1
        self._places.update({task_id: place for place, (_, _, task_id) in enumerate(sorted(ranked), start=1)})
