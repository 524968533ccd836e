"""Usage per user and day: read, moved and deleted. `UnitOfWork.count_usage` adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, bindparam, delete, select, text, tuple_

from generator_service.domain.usage import AMOUNTS, DELETED_USERS, DayUsage, Usage
from generator_service.store.tables import usage
from generator_service.store.unit_of_work import UnitOfWork

_COLUMNS = ", ".join(AMOUNTS)
_SUMS = ", ".join(f"{name} = usage.{name} + excluded.{name}" for name in AMOUNTS)
# The condition is needed anyway: SQLite would take ON CONFLICT for that of a join.
_MOVE = text(
    f"INSERT INTO usage (user_id, day, {_COLUMNS}) SELECT :heir, day, {_COLUMNS} FROM usage"  # noqa: S608 (constant names)
    f" WHERE user_id = :name ON CONFLICT (user_id, day) DO UPDATE SET {_SUMS}"
)


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
    uow.query(_MOVE, {"heir": DELETED_USERS, "name": user_id})
    uow.query(delete(usage).where(usage.c.user_id == user_id))
    uow.count_changes()


def forget(uow: UnitOfWork, before: date) -> int:
    """Delete the usage of earlier days; return the number of entries."""
    deleted = uow.query(delete(usage).where(usage.c.day < before)).rowcount
    uow.count_changes(deleted)
    return deleted


def _from_row(row: Any) -> Usage:
    return Usage(**{name: getattr(row, name) for name in AMOUNTS})
