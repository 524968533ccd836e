"""Closing of batches, each a function of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from generator_service.domain.errors import BatchNotFound
from generator_service.store import statements
from generator_service.store.unit_of_work import UnitOfWork

SETTLE_CHUNK = 200


def close_batch(uow: UnitOfWork, user_id: str, batch_id: str) -> None:
    """Close a batch."""
    match uow.batches.closed(user_id, batch_id):
        case None:
            raise BatchNotFound(batch_id)
        case False:
            uow.batches.close(user_id, batch_id)


def settle_batches(uow: UnitOfWork) -> int:
    """Finish and delete batches whose last task was ended or deleted by an older release, which knows no batches."""
    found = uow.query(statements.UNSETTLED_BATCHES, {"at_most": SETTLE_CHUNK}).all()
    if not found:
        return 0
    free = _lock_free_users(uow, found)
    settled = [row for row in found if row.user_id in free]
    for row in settled:
        uow.batches.settle(row.user_id, row.batch_id)
    return len(settled) + uow.query(statements.DELETE_BATCHES_WITHOUT_USER).rowcount


def close_idle_batches(uow: UnitOfWork, idle: timedelta) -> int:
    """Close batches to which no task was added for so long."""
    idle_ones = {"before": uow.now - idle, "at_most": SETTLE_CHUNK}
    found = uow.query(statements.IDLE_BATCHES, idle_ones).all()
    if not found:
        return 0
    free = _lock_free_users(uow, found)
    # Read again under the lock: a task may have been added since.
    closed = [row for row in uow.query(statements.IDLE_BATCHES, idle_ones) if row.user_id in free]
    for row in closed:
        uow.batches.close(row.user_id, row.batch_id)
    return len(closed)


def _lock_free_users(uow: UnitOfWork, found: Sequence[Row[Any]]) -> set[str]:
    """Lock the users of these rows; those whom another process is changing are left to the next time."""
    names = sorted({row.user_id for row in found})
    return set(uow.users.adopt(uow.query(statements.LOCK_FREE_USERS, {"names": names})))
