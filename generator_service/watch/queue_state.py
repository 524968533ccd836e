"""The queue as the log leaves it: which tasks wait and run, and whose turn it is."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping

from generator_service.domain.claim_order import CREDIT, Key, Starts, UserQueue, key, predict
from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task, TaskState
from generator_service.store.views import QueueSnapshot


class QueueState:
    """All unfinished tasks, kept by user in the order in which each user's tasks are claimed."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.running: dict[int, str] = {}
        """The users of the running tasks, earliest start first."""
        self._waiting: dict[str, list[Key]] = {}
        self._served: dict[str, int] = {}
        self._starts = Starts()
        self._revision = 0

    @property
    def waiting(self) -> int:
        """Number of pending tasks."""
        return len(self.tasks) - len(self.running)

    @property
    def known_turns(self) -> int:
        """Number of users whose latest turn is known: those who wait, and few others."""
        return len(self._served)

    def load(self, snapshot: QueueSnapshot) -> None:
        """Start over from a snapshot."""
        self.tasks = {task.task_id: task for task in snapshot.tasks}
        by_start = sorted(
            (task for task in snapshot.tasks if task.state is TaskState.PROCESSING),
            key=lambda task: (task.started_at or task.updated_at, task.task_id),
        )
        self.running = {task.task_id: task.user_id for task in by_start}
        self._waiting = {}
        for task in snapshot.tasks:
            if task.state is TaskState.PENDING:
                self._waiting.setdefault(task.user_id, []).append(key(task))
        for keys in self._waiting.values():
            keys.sort()
        self._served = dict(snapshot.served)
        self._starts = Starts(snapshot.started)
        self._revision = snapshot.revision

    def apply(self, event: TaskEvent) -> bool:
        """Take in an event; return False if it is older than the state."""
        if event.revision <= self._revision:
            return False
        self._revision = event.revision
        task = event.task
        before = self.tasks.pop(task.task_id, None)
        if before is not None and before.state is TaskState.PENDING:
            self._stop_waiting(before)
        self.running.pop(task.task_id, None)
        if task.state is TaskState.PENDING:
            self._wait(task, joins=event.type is not EventType.UPDATED)
        elif task.state is TaskState.PROCESSING:
            self.running[task.task_id] = task.user_id
            self._served[task.user_id] = self._starts.start()
        if not task.state.terminal:
            self.tasks[task.task_id] = task
        if len(self._served) > 2 * (CREDIT + len(self._waiting)):
            self._forget_old_turns()
        return True

    def predict(
        self,
        runnable: Callable[[Task], bool],
        *,
        slots: int,
        running_per_user: int,
        own_limits: Mapping[str, int] | None = None,
    ) -> Iterator[int]:
        """Yield the ids of the pending tasks that are ``runnable`` now, in the order in which they will start."""
        queues = {
            user: UserQueue(self._served.get(user, 0), [each for each in keys if runnable(self.tasks[each[1]])])
            for user, keys in self._waiting.items()
        }
        return predict(
            queues,
            self.running.values(),
            started=self._starts.count,
            slots=slots,
            running_per_user=running_per_user,
            own_limits=own_limits or {},
        )

    def _wait(self, task: Task, *, joins: bool) -> None:
        keys = self._waiting.setdefault(task.user_id, [])
        if not keys and joins:
            self._served[task.user_id] = self._starts.join(self._served.get(task.user_id, 0))
        insort(keys, key(task))

    def _stop_waiting(self, task: Task) -> None:
        keys = self._waiting[task.user_id]
        del keys[bisect_left(keys, key(task))]
        if not keys:
            del self._waiting[task.user_id]

    def _forget_old_turns(self) -> None:
        """Drop users who would be given the same turn if they had never been served."""
        # A turn of 0 is that of a user who was never served.
        oldest = max(0, self._starts.count - CREDIT)
        self._served = {
            user: served for user, served in self._served.items() if user in self._waiting or served > oldest
        }
