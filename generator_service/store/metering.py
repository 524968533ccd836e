"""Usage per user and day: read, moved and deleted. `UnitOfWork.count_usage` adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, bindparam, delete, select, tuple_

from generator_service.domain.usage import AMOUNTS, DELETED_USERS, DayUsage, Usage
from generator_service.store import statements
from generator_service.store.tables import usage
from generator_service.store.unit_of_work import UnitOfWork


def read(
    connection: Connection,
    *,
    first: date,
    last: date,
    user_id: str | None,
    after: tuple[date, str] | None,
    limit: int,
) -> Sequence[DayUsage]:
    """Read the usage of some days, inclusive, by day and user, after the entry of a day and user."""
    wanted = select(usage).where(usage.c.day >= bindparam("first", first, Date), usage.c.day <= last)
    if user_id is not None:
        wanted = wanted.where(usage.c.user_id == user_id)
    if after is not None:
        wanted = wanted.where(tuple_(usage.c.day, usage.c.user_id) > after)
    found = connection.execute(wanted.order_by(usage.c.day, usage.c.user_id).limit(limit))
    return [DayUsage(day=row.day, user_id=row.user_id, usage=_from_row(row)) for row in found]


def make_anonymous(uow: UnitOfWork, user_id: str) -> None:
    """Count the usage of a user as that of deleted users, so that the totals of each day remain."""
    if uow.query(select(usage.c.day).where(usage.c.user_id == user_id).limit(1)).first() is None:
        return
    # All deletions of users change the same rows: the lock of the head, taken first, orders them.
    uow.lock_head()
    uow.query(statements.MOVE_USAGE, {"heir": DELETED_USERS, "name": user_id})
    uow.query(delete(usage).where(usage.c.user_id == user_id))
    uow.count_changes()


def forget(uow: UnitOfWork, before: date) -> int:
    """Delete the usage of earlier days; return the number of entries."""
    deleted = uow.query(delete(usage).where(usage.c.day < before)).rowcount
    uow.count_changes(deleted)
    return deleted


def _from_row(row: Any) -> Usage:
    return Usage(**{name: getattr(row, name) for name in AMOUNTS})
