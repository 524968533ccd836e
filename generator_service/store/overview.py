"""The queue as operators see it: by engine, by worker and by the codes of failures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, case, func, not_, select

from generator_service.domain.routing import AUTO_CUTTING
from generator_service.domain.task import Task, TaskState
from generator_service.domain.task_options import Engine
from generator_service.store import rows, statements, worker_rows
from generator_service.store.admin_contract import EngineQueue, FailureGroup, Overview
from generator_service.store.blob_names import FieldOf
from generator_service.store.queue_clock import QueueClock
from generator_service.store.tables import tasks

MAX_RUNNING_SHOWN = 500
MAX_CODES = 50

_FAILED = [TaskState.FAILED.value, TaskState.TIMEOUT.value]
_CODE = func.coalesce(FieldOf(tasks.c.error, "code"), "")


def read(
    connection: Connection, clock: QueueClock, now: datetime, ended_from: datetime, failures_from: datetime
) -> Overview:
    """Read the overview; completed and failed tasks count from ``ended_from`` on. All three are wall times."""
    counts: defaultdict[Engine, Counter[str]] = defaultdict(Counter)
    oldest = _add_waiting(connection, counts, clock.read(connection), now)
    _add_running(connection, counts)
    _add_ended(connection, counts, ended_from)
    return Overview(
        engines=[
            EngineQueue(engine=engine, oldest=oldest.get(engine, timedelta()), **counts[engine])
            for engine in Engine
            if engine in counts
        ],
        running=_running(connection),
        failures=_failures(connection, failures_from),
        workers=worker_rows.read(connection, clock),
    )


def _engine_of(name: str | None) -> Engine:
    """Return the engine that a row names; rows of old releases may name none."""
    return Engine.AUTO if name in (None, AUTO_CUTTING) else Engine(name)


def _add_waiting(
    connection: Connection, counts: Mapping[Engine, Counter[str]], queue_time: datetime, now: datetime
) -> Mapping[Engine, timedelta]:
    """Count waiting tasks; return for how long the oldest one of each engine could have started."""
    due, immediate = tasks.c.run_at <= queue_time, tasks.c.run_at == rows.AT_ONCE
    found = connection.execute(
        select(
            tasks.c.engine,
            func.sum(case((due, 1), else_=0)).label("pending"),
            func.sum(case((due, 0), else_=1)).label("scheduled"),
            func.min(case((immediate, tasks.c.created_at))).label("created_at"),
            func.min(case((and_(due, not_(immediate)), tasks.c.run_at))).label("due_since"),
        )
        .where(tasks.c.state == TaskState.PENDING.value)
        .group_by(tasks.c.engine)
    )
    oldest: dict[Engine, timedelta] = {}
    for row in found:
        engine = _engine_of(row.engine)
        counts[engine].update(pending=row.pending, scheduled=row.scheduled)
        waited = [
            clock - since for clock, since in ((now, row.created_at), (queue_time, row.due_since)) if since is not None
        ]
        oldest[engine] = max([oldest.get(engine, timedelta()), *waited])
    return oldest


def _add_running(connection: Connection, counts: Mapping[Engine, Counter[str]]) -> None:
    for row in connection.execute(statements.RUNNING_BY_ENGINE):
        counts[_engine_of(row.engine)].update(running=row.tasks)


def _add_ended(connection: Connection, counts: Mapping[Engine, Counter[str]], since: datetime) -> None:
    ended = [TaskState.COMPLETED.value, *_FAILED]
    found = connection.execute(
        select(tasks.c.engine, tasks.c.state, func.count().label("tasks"))
        .where(tasks.c.state.in_(ended), tasks.c.finished_at >= since)
        .group_by(tasks.c.engine, tasks.c.state)
    )
    for row in found:
        field = "completed" if row.state == TaskState.COMPLETED.value else "failed"
        counts[_engine_of(row.engine)].update({field: row.tasks})


def _running(connection: Connection) -> Sequence[Task]:
    found = connection.execute(
        select(tasks)
        .where(tasks.c.state == TaskState.PROCESSING.value)
        .order_by(tasks.c.started_at, tasks.c.task_id)
        .limit(MAX_RUNNING_SHOWN)
    )
    return [rows.task_from_row(row) for row in found]


def _failures(connection: Connection, since: datetime) -> Sequence[FailureGroup]:
    # No task ends before it is created: the index by state and end narrows the rows to those of the period.
    groups = connection.execute(
        select(
            _CODE.label("code"),
            func.count().label("tasks"),
            func.max(tasks.c.finished_at).label("latest_at"),
            func.max(tasks.c.task_id).label("newest"),
        )
        .where(tasks.c.state.in_(_FAILED), tasks.c.finished_at >= since, tasks.c.created_at >= since)
        .group_by(_CODE)
        .order_by(func.count().desc(), func.max(tasks.c.task_id).desc())
        .limit(MAX_CODES)
    ).all()
    newest = connection.execute(select(tasks).where(tasks.c.task_id.in_([row.newest for row in groups])))
    errors = {task.task_id: task.error for task in map(rows.task_from_row, newest)}
    return [
        FailureGroup(
            code=row.code,
            count=row.tasks,
            latest_at=row.latest_at,
            message="" if (error := errors[row.newest]) is None else error.message,
        )
        for row in groups
    ]
