"""The rows that an operation on the log needs locked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSet:
    """Rows that an operation may change, as far as known in advance: they are locked and read first.

    ``users`` are created if they are new, and each may get ``new_tasks`` tasks; the users of ``tasks`` are found by
    these tasks.
    ``keys`` are pairs of a user and an idempotency key, ``batches`` of a user and a batch's name.
    """

    users: Collection[str] = ()
    new_tasks: int = 1
    tasks: Collection[int] = ()
    keys: Collection[tuple[str, str]] = ()
    batches: Collection[tuple[str, str]] = ()
