"""Between rows and the domain's values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from generator_service.domain.event import EventType, TaskEvent
from generator_service.domain.task import InputInfo, ResultInfo, Task, TaskError, TaskOptions, TaskState

_TASK = TypeAdapter(Task)
_OPTIONS = TypeAdapter(TaskOptions)
_INPUT = TypeAdapter(InputInfo)
_RESULT = TypeAdapter(ResultInfo)
_ERROR = TypeAdapter(TaskError)
_MICROSECOND = timedelta(microseconds=1)


def task_values(task: Task) -> dict[str, Any]:
    """Columns of a new task's row, but for those that only the request knows."""
    return {
        "task_id": task.task_id,
        "user_id": task.user_id,
        "options": _OPTIONS.dump_json(task.options).decode(),
        "input": _INPUT.dump_json(task.input).decode(),
        "priority": task.priority,
        "timeout_us": task.timeout // _MICROSECOND,
        "max_attempts": task.max_attempts,
        "created_at": task.created_at,
        **changing_values(task),
    }


def changing_values(task: Task) -> dict[str, Any]:
    """Columns that a transition may change."""
    return {
        "state": task.state.value,
        "seq": task.seq,
        "attempt": task.attempt,
        "updated_at": task.updated_at,
        "run_at": task.run_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "lease_owner": task.lease_owner,
        "lease_expires_at": task.lease_expires_at,
        "progress": task.progress,
        "stage": task.stage,
        "result": None if task.result is None else _RESULT.dump_json(task.result).decode(),
        "error": None if task.error is None else _ERROR.dump_json(task.error).decode(),
    }


def task_from_row(row: Row[Any]) -> Task:
    """Read a task from a row of the tasks table."""
    return Task(
        task_id=row.task_id,
        user_id=row.user_id,
        state=TaskState(row.state),
        options=_OPTIONS.validate_json(row.options),
        input=_INPUT.validate_json(row.input),
        priority=row.priority,
        timeout=row.timeout_us * _MICROSECOND,
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        updated_at=row.updated_at,
        seq=row.seq,
        attempt=row.attempt,
        run_at=row.run_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        lease_owner=row.lease_owner,
        lease_expires_at=row.lease_expires_at,
        progress=row.progress,
        stage=row.stage,
        result=None if row.result is None else _RESULT.validate_json(row.result),
        error=None if row.error is None else _ERROR.validate_json(row.error),
    )


def event_values(event: TaskEvent) -> dict[str, Any]:
    """Columns of an event's row."""
    return {
        "revision": event.revision,
        "user_id": event.user_id,
        "seq": event.seq,
        "task_id": event.task.task_id,
        "type": event.type.value,
        "occurred_at": event.occurred_at,
        "task": _TASK.dump_json(event.task).decode(),
    }


def event_from_row(row: Row[Any]) -> TaskEvent:
    """Read an event from a row of the events table."""
    return TaskEvent(revision=row.revision, type=EventType(row.type), task=_TASK.validate_json(row.task))
