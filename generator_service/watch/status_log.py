"""A log line for every state change that the tail reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import Task

logger = logging.getLogger(__name__)


class StatusLog:
    """A listener of the log's tail, called before the one that keeps the tasks that ``known`` finds.

    ``elapsed_ms`` is how long the task was in its old state; both are null where that state is not known here.
    The lines are written by ``later``, once those who wait for the events have them.
    """

    def __init__(self, known: Callable[[int], Task | None], later: Callable[[Callable[[], None]], object]) -> None:
        self._known = known
        self._later = later

    def tell(self, events: Sequence[TaskEvent]) -> None:
        """Log events."""
        latest: dict[int, Task] = {}
        changes = []
        for event in events:
            if event.type in {EventType.BATCH_FINISHED, EventType.REVIEWED}:
                continue
            task_id = event.task.task_id
            changes.append((latest.get(task_id) or self._known(task_id), event))
            latest[task_id] = event.task
        self._later(partial(_write, changes))


def _write(changes: Sequence[tuple[Task | None, TaskEvent]]) -> None:
    for old, event in changes:
        task = event.task
        extra = {
            "task_id": task.task_id,
            "user_id": task.user_id,
            "attempt": task.attempt,
            "revision": event.revision,
            "old": None if old is None else old.state.value,
            "new": event.type.value if event.type is EventType.DELETED else task.state.value,
            "elapsed_ms": None if old is None else round((task.updated_at - old.updated_at).total_seconds() * 1000),
            "code": None if task.error is None else task.error.code,
        }
        logger.info("task_status_change", extra=extra)
