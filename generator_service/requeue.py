"""Submits failed tasks again: each becomes a new task of its owner, with the same photo, mask and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator_service.domain.errors import (
    IdempotencyConflict,
    ImageNotFound,
    ImageRejected,
    InvalidRequest,
    QuotaExceeded,
    StorageQuotaExceeded,
    TaskNotFound,
    WhitebgError,
)
from generator_service.domain.task import Task
from generator_service.submission import Submission, Submissions

_REASONS: dict[type[WhitebgError], str] = {
    QuotaExceeded: "QUOTA_EXCEEDED",
    StorageQuotaExceeded: "STORAGE_QUOTA_EXCEEDED",
    ImageNotFound: "IMAGE_NOT_FOUND",
    TaskNotFound: "TASK_NOT_FOUND",
    ImageRejected: "IMAGE_REJECTED",
    InvalidRequest: "INVALID_REQUEST",
    IdempotencyConflict: "IDEMPOTENCY_CONFLICT",
}
"""Errors that concern one task or its owner; any other one ends the requeue."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A task that could not be submitted again, and why."""

    task_id: int
    reason: str


async def requeue(submissions: Submissions, failed: Sequence[Task]) -> tuple[list[Task], list[Skipped]]:
    """Submit tasks again, one after the other; return the new tasks and those that were skipped.

    Each is submitted under a key made from its id, so a second call finds the task of the first.

    Raises:
        DiskFull, BlobStoreUnavailable, InspectorUnavailable, DatabaseUnavailable: as `Submissions.take`.

    """
    new, skipped = list[Task](), list[Skipped]()
    for task in failed:
        try:
            (enqueued,) = await submissions.take(_again(task))
            new.append(enqueued.task)
        except WhitebgError as error:
            if type(error) not in _REASONS:
                raise
            skipped.append(Skipped(task.task_id, _REASONS[type(error)]))
    return new, skipped


def _again(task: Task) -> Submission:
    return Submission(
        user_id=task.user_id,
        image=None,
        source_task_id=task.task_id,
        filename=task.input.filename,
        options=task.options,
        idempotency_key=f"requeue:{task.task_id}",
        priority=task.priority,
        timeout=task.timeout,
    )
