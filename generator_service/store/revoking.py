"""Revocations in the database: recorded by a unit of work, read by a connection."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from generator_service.domain.revocation import NewRevocation, Revocation
from generator_service.store.revocation_contract import RevocationPage
from generator_service.store.tables import log_head, revocations
from generator_service.store.unit_of_work import UnitOfWork

_LATEST = select(func.max(revocations.c.number))


def revoke(uow: UnitOfWork, new: NewRevocation) -> Revocation:
    """Record a revocation; return the one that is there, where a session was revoked before and for long enough."""
    # The head's row is the lock: held until the commit, it makes the order of numbers that of the commits.
    uow.lock_head()
    if new.session_id:
        of_session = select(revocations).where(revocations.c.session_id == new.session_id)
        row = uow.query(of_session.order_by(revocations.c.expires_at.desc()).limit(1)).first()
        if row is not None:
            earlier = _revocation(row)
            if earlier.complete or earlier.expires_at >= new.expires_at:
                return earlier
    recorded = Revocation(number=1 + (uow.query(_LATEST).scalar() or 0), **asdict(new))
    uow.query(insert(revocations).values(asdict(recorded)))
    uow.count_changes()
    return recorded


def forget(uow: UnitOfWork, before: datetime) -> int:
    """Delete those whose tokens had all expired before a time; return how many. The latest stays, for its number."""
    latest = uow.query(_LATEST).scalar()
    if latest is None:
        return 0
    expired = delete(revocations).where(revocations.c.expires_at < before, revocations.c.number < latest)
    deleted = uow.query(expired).rowcount
    uow.count_changes(bool(deleted))
    return deleted


def after(connection: Connection, number: int, limit: int) -> RevocationPage:
    """Read the revocations after a number, lowest first."""
    rows = connection.execute(
        select(revocations).where(revocations.c.number > number).order_by(revocations.c.number).limit(limit)
    )
    return RevocationPage(
        revocations=[_revocation(row) for row in rows],
        head=connection.execute(_LATEST).scalar() or 0,
        epoch=connection.execute(select(log_head.c.epoch)).scalar_one(),
    )


def _revocation(row: Row[Any]) -> Revocation:
    return Revocation(
        number=row.number,
        session_id=row.session_id,
        user_id=row.user_id,
        revoked_at=row.revoked_at,
        expires_at=row.expires_at,
    )
