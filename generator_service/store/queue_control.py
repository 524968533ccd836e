"""Pauses, limits and priorities: changed by a unit of work, read by a connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, literal, select, type_coerce

from generator_service.domain import transitions
from generator_service.domain.breaker import Breaker, pause_name
from generator_service.domain.engine_limit import EngineLimit
from generator_service.domain.errors import TaskNotFound
from generator_service.domain.event import EventType
from generator_service.domain.task import Task, TaskState
from generator_service.domain.task_options import Engine
from generator_service.store import metering, rows, statements
from generator_service.store.limits import UserLimits
from generator_service.store.tables import api_keys, tasks, user_limits, webhook_dead_letters, webhook_endpoints
from generator_service.store.unit_of_work import UnitOfWork

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
AGE_AT_ONCE = 100
"""Tasks whose priority is raised at a time."""


def pause(uow: UnitOfWork, engine: Engine | None, note: str, lasts: timedelta | None) -> Breaker:
    """Pause claims of an engine, or all claims."""
    until = None if lasts is None else uow.queue_time + lasts
    return uow.gates.change_breaker(
        pause_name(engine), partial(Breaker.pause, note=note, now=uow.queue_time, until=until)
    )


def resume(uow: UnitOfWork, engine: Engine | None) -> None:
    """End a pause; without one, nothing changes."""
    if pause_name(engine) in uow.gates.breakers():
        uow.gates.change_breaker(pause_name(engine), Breaker.resume)


def set_engine_limit(uow: UnitOfWork, limit: EngineLimit) -> None:
    """Replace the limit of an engine."""
    uow.gates.set_limit(limit)


def engine_limits(connection: Connection) -> Mapping[Engine, EngineLimit]:
    """Read the limits of engines that have any."""
    _, limits = rows.breakers_and_limits(connection.execute(statements.BREAKERS))
    return {
        engine: each for engine, each in limits.items() if each.max_running is not None or each.per_minute is not None
    }


def full_engines(connection: Connection, limits: Mapping[Engine, EngineLimit], now: datetime) -> set[Engine]:
    """Read which of the engines with limits may start no further task now."""
    if not limits:
        return set()
    running = Counter({row.engine: row.tasks for row in connection.execute(statements.RUNNING_BY_ENGINE)})
    return {engine for engine, each in limits.items() if not each.admits(running[engine.value], now)}


def set_user_limits(uow: UnitOfWork, user_id: str, limits: UserLimits) -> None:
    """Replace the limits of a user; with none set, the defaults hold again."""
    uow.query(delete(user_limits).where(user_limits.c.user_id == user_id))
    if limits != UserLimits():
        values = {
            "max_pending": limits.pending,
            "max_running": limits.running,
            "max_stored_bytes": limits.stored_bytes,
        }
        uow.query(insert(user_limits).values(user_id=user_id, **values))
    uow.count_changes()


def all_user_limits(connection: Connection) -> Mapping[str, UserLimits]:
    """Read the users who have limits of their own."""
    return {row.user_id: rows.user_limits_from_row(row) for row in connection.execute(statements.ALL_USER_LIMITS)}


def set_priority(uow: UnitOfWork, task_id: int, priority: int) -> Task:
    """Change the priority of a waiting task."""
    task = uow.task(task_id)
    if task is None:
        raise TaskNotFound(task_id)
    if task.priority == priority and task.state is TaskState.PENDING:
        return task
    return uow.update_task(task, EventType.UPDATED, transitions.reprioritize(task, priority=priority, at=uow.now))


def age_priorities(uow: UnitOfWork, step: timedelta) -> Sequence[Task]:
    """Raise waiting tasks to the highest waiting priority that have waited one ``step`` for each level in between.

    So a task of low priority starts after a bounded time, whatever arrives above it. The longest waiting come first.
    """
    due = (tasks.c.state == TaskState.PENDING.value, tasks.c.run_at <= uow.queue_time)
    top = uow.query(select(func.max(tasks.c.priority)).where(*due)).scalar()
    if top is None:
        return ()
    now, micros = (uow.now - _EPOCH) // _MICROSECOND, step // _MICROSECOND
    waited = now - type_coerce(tasks.c.created_at, BigInteger)
    waited_enough = waited >= (top - cast(tasks.c.priority, BigInteger)) * literal(micros, BigInteger)
    found = uow.query(
        select(tasks.c.task_id, tasks.c.user_id)
        .where(*due, tasks.c.priority < top, waited_enough)
        .order_by(tasks.c.created_at, tasks.c.task_id)
        .limit(AGE_AT_ONCE)
    ).all()
    if not found:
        return ()
    # Users whom another process is changing are left to the next time.
    held = set(uow.users.adopt(uow.query(statements.FREE_USERS, {"names": sorted({row.user_id for row in found})})))
    waiting = uow.read_tasks([row.task_id for row in found if row.user_id in held])
    return [
        uow.update_task(task, EventType.UPDATED, transitions.reprioritize(task, priority=top, at=uow.now))
        for task in waiting
        if task.state is TaskState.PENDING and task.priority < top
    ]


def purge_user(uow: UnitOfWork, user_id: str) -> bool:
    """Delete what is stored about a user beside tasks; return False, and leave the events, if there are tasks."""
    for table in (user_limits, api_keys, webhook_dead_letters, webhook_endpoints):
        uow.query(delete(table).where(table.c.user_id == user_id))
    metering.make_anonymous(uow, user_id)
    uow.users.forget(user_id)
    return uow.query(select(tasks.c.task_id).where(tasks.c.user_id == user_id).limit(1)).first() is None
