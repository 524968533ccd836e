"""Batches in one transaction: begun, closed, finished and deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from generator_service.domain.batch import Batch
from generator_service.domain.task import Task, TaskState
from generator_service.store import rows, statements

BatchKey = tuple[str, str]
"""A user and a batch's name."""


class BatchRows:
    """Batches of locked users. A batch has no counters: its tasks are counted once, when it has ended."""

    def __init__(self, connection: Connection) -> None:
        self.changes = 0
        self._connection = connection
        self._closed: dict[BatchKey, bool] = {}
        """Batches that were named in advance or begun, and whether each is closed."""
        self._new: list[dict[str, Any]] = []
        self._changed: set[BatchKey] = set()
        """Batches that may have ended: one was closed, or one of its tasks ended or was removed."""

    def read(self, batches: Sequence[BatchKey]) -> None:
        """Read batches that an operation may close or add tasks to."""
        for row in self._connection.execute(statements.BATCHES, {"batches": batches}):
            self._closed[row.user_id, row.batch_id] = row.closed

    def closed(self, user_id: str, batch_id: str) -> bool | None:
        """Return whether a batch that was named in advance is closed; None if there is no such batch."""
        return self._closed.get((user_id, batch_id))

    def add_task(self, task: Task, *, closes: bool) -> None:
        """Begin the batch of a new task if it is the first one; ``closes`` if it is also the last."""
        if (batch := _batch_of(task)) is not None and batch not in self._closed:
            self._closed[batch] = closes
            begun = {"created_at": task.created_at, "closed": closes, "finished_at": None}
            self._new.append({"user_id": batch[0], "batch_id": batch[1], **begun})

    def end_task(self, task: Task) -> None:
        """Note that a task has ended or was removed: its batch may have ended with it."""
        if (batch := _batch_of(task)) is not None:
            self._changed.add(batch)

    def close(self, user_id: str, batch_id: str) -> None:
        """Close a batch that was named in advance."""
        self.write()
        self._connection.execute(statements.CLOSE_BATCH, {"of_user": user_id, "of_batch": batch_id})
        self._closed[user_id, batch_id] = True
        self.settle(user_id, batch_id)

    def settle(self, user_id: str, batch_id: str) -> None:
        """Finish a batch of a locked user with the commit if it has ended, and delete it if it has no task."""
        self._changed.add((user_id, batch_id))
        self.changes += 1

    def write(self) -> None:
        """Write new batches to the database."""
        if self._new:
            self._connection.execute(statements.ADD_BATCHES, self._new)
        self._new.clear()

    def finish(self, now: datetime) -> list[tuple[Batch, int]]:
        """Finish the batches whose last task has ended, and delete those whose last task was removed.

        All tasks must be written. Return each finished batch with the id of its newest task.
        """
        if not self._changed:
            return []
        found = self._connection.execute(statements.UNSETTLED_AMONG, {"batches": sorted(self._changed)}).all()
        if not found:
            return []
        named = {"batches": [(row.user_id, row.batch_id) for row in found]}
        counts: defaultdict[BatchKey, dict[TaskState, int]] = defaultdict(dict)
        newest: defaultdict[BatchKey, int] = defaultdict(int)
        for row in self._connection.execute(statements.COUNT_BATCHES, named):
            key = row.user_id, row.batch_id
            counts[key][TaskState(row.state)] = row.tasks
            newest[key] = max(newest[key], row.newest)
        if empty := [key for key in named["batches"] if key not in counts]:
            self._connection.execute(statements.DELETE_BATCHES, {"batches": empty})
        ended = [
            replace(rows.batch_from_row(row, counts[key]), finished_at=now)
            for row in found
            if (key := (row.user_id, row.batch_id)) in counts
        ]
        if ended:
            self._connection.execute(
                statements.FINISH_BATCH,
                [{"of_user": each.user_id, "of_batch": each.batch_id, "at": each.finished_at} for each in ended],
            )
        return [(batch, newest[batch.user_id, batch.batch_id]) for batch in ended]


def _batch_of(task: Task) -> BatchKey | None:
    return None if task.batch_id is None else (task.user_id, task.batch_id)
