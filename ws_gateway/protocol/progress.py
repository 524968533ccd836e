"""Progress on its way to one client: the latest per task, merged, never after the end of its task. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ws_gateway.protocol.messages import Phase, ProgressMessage, TaskMessage
from ws_gateway.protocol.observer import Nobody, Observer

_NEVER = float("-inf")


@dataclass(slots=True)
class _Task:
    """The last state of one task, and the progress that waits to be sent."""

    attempt: int = 0
    phase: Phase | None = None
    """None: no durable message of it was seen here."""
    newest: tuple[int, int] = (0, 0)
    """Attempt and percent of the newest progress taken."""
    pending: ProgressMessage | None = None
    sent_at: float = _NEVER

    def outdates(self, message: ProgressMessage) -> bool:
        """Return whether the message is older than the known state."""
        if self.phase is Phase.ENDED or message.attempt < self.attempt:
            return True
        # A late "60 %" of an attempt that has failed since, or a late queue position of one that runs.
        if self.phase is not None and message.attempt == self.attempt and message.phase is not self.phase:
            return True
        return (message.attempt, message.percent) < self.newest


class ProgressSlots:
    """One slot per task: the first progress goes out at once, later ones at most one per interval, the newest wins.

    Remembers how far each of the latest ``max_tasks`` tasks is, so that nothing stale goes out.
    """

    def __init__(self, *, interval: float = 0.1, max_tasks: int = 1024, observer: Observer | None = None) -> None:
        self._interval = interval
        self._max_tasks = max_tasks
        self._tasks: dict[int, _Task] = {}
        self._pending: dict[int, _Task] = {}
        self._observer = observer or Nobody()

    def offer(self, message: ProgressMessage) -> None:
        """Take progress in, unless it is stale."""
        task = self._track(message.task_id)
        if task.outdates(message):
            self._observer.progress_dropped()
            return
        if task.pending is not None:
            self._observer.progress_coalesced()
        task.pending = message
        task.newest = (message.attempt, message.percent)
        self._pending[message.task_id] = task

    def settle(self, message: TaskMessage) -> None:
        """Learn from a durable message; progress that it makes stale is dropped."""
        task = self._track(message.task_id)
        if message.phase is not Phase.RUNNING or task.newest[0] != message.attempt:
            task.newest = (message.attempt, 0)
        task.attempt, task.phase = message.attempt, message.phase
        if task.pending is not None and task.outdates(task.pending):
            task.pending = None
            del self._pending[message.task_id]
            self._observer.progress_dropped()

    def take(self, now: float) -> list[str]:
        """Return the frames that may go out now, and empty their slots."""
        due = [task_id for task_id, task in self._pending.items() if task.sent_at + self._interval <= now]
        frames = []
        for task_id in due:
            task = self._pending.pop(task_id)
            if task.pending is not None:
                frames.append(task.pending.text)
            task.pending, task.sent_at = None, now
        return frames

    @property
    def next_due(self) -> float | None:
        """When the next frame may go out; None if none waits."""
        return min((task.sent_at + self._interval for task in self._pending.values()), default=None)

    def clear(self) -> None:
        """Forget everything."""
        self._tasks.clear()
        self._pending.clear()

    def _track(self, task_id: int) -> _Task:
        """Return the task's entry, now the latest; the one unused for longest goes if there are too many."""
        task = self._tasks.pop(task_id, None)
        if task is None:
            task = _Task()
            if len(self._tasks) >= self._max_tasks:
                oldest = next(iter(self._tasks))
                del self._tasks[oldest]
                if self._pending.pop(oldest, None) is not None:
                    self._observer.progress_dropped()
        self._tasks[task_id] = task
        return task
