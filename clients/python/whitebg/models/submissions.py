"""Submissions and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta

from whitebg.errors import WhitebgError
from whitebg.files import Photo
from whitebg.models.options import TaskOptions
from whitebg.models.tasks import Task


@dataclass(frozen=True, slots=True)
class Submission:
    """A photo with the options of its pictures. The fields are explained with `AsyncClient.submit`."""

    image: Photo | int
    """The photo, or the id of an earlier task whose photo is used."""
    options: TaskOptions = field(default_factory=TaskOptions)
    _: KW_ONLY
    more_options: Sequence[TaskOptions] = ()
    """Options of further pictures of the photo, at most 19."""
    filename: str | None = None
    idempotency_key: str | None = None
    """A fresh one unless given."""
    user_id: str | None = None
    priority: int = 0
    task_timeout: timedelta | None = None
    run_at: datetime | None = None
    reuse: bool = False
    mask: Photo | None = None
    drop_mask: bool = False
    """Whether the earlier task's mask is not to be used again."""
    batch_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionResult:
    """What became of one of many submissions: its tasks, or the error that rejected it."""

    submission: Submission
    tasks: Sequence[Task] = ()
    """One, and one more for each of ``more_options``; all are durable. Empty after an error."""
    error: WhitebgError | OSError | None = None

    @property
    def task(self) -> Task:
        """The first task.

        Raises:
            WhitebgError: the submission was rejected.
            OSError: its file can't be read.

        """
        if self.error is not None:
            raise self.error
        return self.tasks[0]
