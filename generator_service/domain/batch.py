"""A batch: tasks of one user that were submitted together, and that end as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task import TERMINAL_STATES, TaskState

_BATCH_ID = re.compile(r"[A-Za-z0-9._~:-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch and the number of its tasks by state. A deleted task is not counted."""

    user_id: str
    batch_id: str
    created_at: datetime
    closed: bool
    """Whether no more tasks can be added."""
    finished_at: datetime | None = None
    """When it was closed and all of its tasks had ended; None before."""
    counts: Mapping[TaskState, int]

    @property
    def ended(self) -> bool:
        """Whether it is closed and all of its tasks have ended."""
        return self.closed and not any(count for state, count in self.counts.items() if state not in TERMINAL_STATES)


def check_batch_id(text: str) -> str:
    """Return the name of a batch; names are used in URLs unescaped.

    Raises:
        InvalidRequest: it is empty, too long, or has other characters than letters, digits and ``._~:-``.

    """
    if not _BATCH_ID.fullmatch(text):
        raise InvalidRequest("batch_id", f"{text[:100]!r} can't be used; use 1 to 100 letters, digits and ._~:-")
    return text
