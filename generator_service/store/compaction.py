"""Compaction of the log: events that no client needs any more are deleted, of each user from the oldest on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from generator_service.store import statements
from generator_service.store.contract import Retention
from generator_service.store.tables import events, tasks, users
from generator_service.store.unit_of_work import UnitOfWork

COMPACT_CHUNK = 1000


def compact(uow: UnitOfWork, retention: Retention) -> int:
    """Delete a chunk of events that need not be kept; return how many. Zero means that nothing is left to do."""
    recent = uow.now - retention.events_for
    oldest = min(recent, uow.now - retention.tasks_for)
    idle = ~select(tasks.c.task_id).where(tasks.c.user_id == users.c.user_id).exists()
    candidates = uow.query(
        select(users.c.user_id)
        .where(
            or_(
                _begins_before(oldest),
                # Of most users all is recent: to read each of them would hold up other writes.
                and_(users.c.seq - users.c.compacted_seq > retention.events_per_user, _begins_before(recent)),
                and_(idle, or_(users.c.seq == users.c.compacted_seq, _begins_before(recent))),
            )
        )
        .order_by(users.c.user_id)
    ).scalars()
    deleted = 0
    for user_id in candidates.all():
        # One whom another process is changing is left to the next time.
        free = uow.query(statements.FREE_USER, {"user_id": user_id}).one_or_none()
        if free is None:
            continue
        # Of a user who deleted all tasks, no event is kept for longer than others need it, and then no row.
        has_tasks = uow.query(statements.ANY_TASK, {"user_id": user_id}).first() is not None
        cutoffs = (free.seq, oldest if has_tasks else recent), (free.seq - retention.events_per_user, recent)
        for through, cutoff in cutoffs:
            if deleted < COMPACT_CHUNK:
                deleted += _compact_user(uow, user_id, through, cutoff, COMPACT_CHUNK - deleted)
        if not has_tasks and uow.query(statements.ANY_EVENT, {"user_id": user_id}).first() is None:
            uow.users.forget(user_id)
        if deleted >= COMPACT_CHUNK:
            break
    return deleted


def _begins_before(cutoff: datetime) -> ColumnElement[bool]:
    """Return whether a user's oldest event is older than that."""
    oldest_kept = and_(events.c.user_id == users.c.user_id, events.c.seq == users.c.compacted_seq + 1)
    return select(events.c.revision).where(oldest_kept, events.c.occurred_at < cutoff).exists()


def _compact_user(uow: UnitOfWork, user_id: str, through: int, cutoff: datetime, limit: int) -> int:
    of_user = and_(events.c.user_id == user_id, events.c.seq <= through)
    # Only a whole prefix may be deleted: events above ``compacted_seq`` are complete.
    first_kept = uow.query(select(func.min(events.c.seq)).where(of_user, events.c.occurred_at >= cutoff)).scalar_one()
    if first_kept is not None:
        of_user = and_(of_user, events.c.seq < first_kept)
    oldest = select(events.c.revision, events.c.seq).where(of_user).order_by(events.c.seq).limit(limit)
    doomed = uow.query(oldest).all()
    if not doomed:
        return 0
    revisions = [row.revision for row in doomed]
    uow.query(delete(events).where(events.c.revision.in_(revisions)))
    uow.query(update(users).where(users.c.user_id == user_id).values(compacted_seq=max(row.seq for row in doomed)))
    uow.compacted(max(revisions))
    return len(doomed)
