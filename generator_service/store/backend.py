"""The differences between the databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from generator_service.store.queue_clock import QueueClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Operations of a writer that differ between the databases."""

    begin: Callable[[Connection], None]
    """Begin to write."""
    new_ids: Callable[[Connection, int], Sequence[int]]
    """Return so many ids for new tasks, ascending, that were never given to a task and never will be again."""
    skip_ids: Callable[[Connection, int], object]
    """Make sure that the ids of new tasks are greater than a number."""
    queue_clock: QueueClock
    """The time by which tasks become due and leases expire."""
