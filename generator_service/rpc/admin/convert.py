"""Between messages of `AdminService` and domain values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from generator_service.domain.api_key import ApiKey, generate
from generator_service.domain.breaker import FOREVER, PAUSE, Breaker
from generator_service.domain.engine_limit import MAX_PER_MINUTE, MAX_RUNNING, EngineLimit
from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task import MAX_PRIORITY, MIN_PRIORITY, TaskState
from generator_service.domain.task_options import Engine
from generator_service.domain.worker_info import WorkerInfo
from generator_service.rpc.auth import MAX_USER_ID_LENGTH, Scope, usable_name
from generator_service.rpc.convert import messages, picture_options
from generator_service.rpc.convert.times import duration_from, time_from
from generator_service.store.admin_contract import EngineQueue, FailureGroup, TaskFilter, UserRecord
from generator_service.store.limits import UserLimits
from generator_service.watch.queue_positions import QueueView
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2

MAX_NOTE = 500
MAX_PAUSE = timedelta(days=365)
MAX_ERROR_CODES = 100
MAX_KEY_NAME = 100
MAX_KEY_LIFE = timedelta(days=3650)
MAX_COUNT = 2**31 - 1
MAX_BYTES = 2**53


def engine(number: task_pb2.Engine.ValueType) -> Engine | None:
    """Read the engine of a pause; AUTO and unset mean all claims.

    Raises:
        InvalidRequest: the engine is unknown.

    """
    found = picture_options.engine_from(number, "engine")
    return None if found is Engine.AUTO else found


def pause_request(request: pb.PauseQueueRequest) -> tuple[Engine | None, str, timedelta | None]:
    """Read what to pause, the note, and for how long.

    Raises:
        InvalidRequest: a field can't be used.

    """
    if len(request.note) > MAX_NOTE or "\0" in request.note:
        raise InvalidRequest("note", f"may have up to {MAX_NOTE} characters, and no NUL")
    lasts = None
    if request.HasField("lasts"):
        lasts = duration_from(request.lasts, "lasts")
        if not timedelta(seconds=1) <= lasts <= MAX_PAUSE:
            raise InvalidRequest("lasts", f"{lasts.total_seconds():g} s is not within 1 s to {MAX_PAUSE.days} days")
    return engine(request.engine), request.note, lasts


def pause(value: Breaker, view: QueueView) -> pb.QueuePause:
    """Convert a pause to a message."""
    engine_name = value.name.removeprefix(f"{PAUSE}:")
    return pb.QueuePause(
        engine=picture_options.ENGINES[Engine.AUTO if value.name == PAUSE else Engine(engine_name)],
        note=value.message,
        paused_at=messages.timestamp(view.wall_time(value.opened_at)),
        ends_at=None if value.open_until == FOREVER else messages.timestamp(view.wall_time(value.open_until)),
    )


def limit_from(message: pb.EngineLimit) -> EngineLimit:
    """Read an engine's limits; 0 is none.

    Raises:
        InvalidRequest: a field can't be used.

    """
    found = engine(message.engine)
    if found is None:
        raise InvalidRequest("limit.engine", "is AUTO; limit the engines themselves")
    for name, most in (("max_running", MAX_RUNNING), ("starts_per_minute", MAX_PER_MINUTE)):
        if not 0 <= getattr(message, name) <= most:
            raise InvalidRequest(f"limit.{name}", f"{getattr(message, name)} is not within 0 to {most}")
    return EngineLimit(
        engine=found, max_running=message.max_running or None, per_minute=message.starts_per_minute or None
    )


def limit(value: EngineLimit) -> pb.EngineLimit:
    """Convert an engine's limits to a message."""
    return pb.EngineLimit(
        engine=picture_options.ENGINES[value.engine],
        max_running=value.max_running or 0,
        starts_per_minute=value.per_minute or 0,
    )


def engine_queue(value: EngineQueue) -> pb.EngineQueue:
    """Convert the tasks of an engine to a message."""
    return pb.EngineQueue(
        engine=picture_options.ENGINES[value.engine],
        pending=value.pending,
        scheduled=value.scheduled,
        running=value.running,
        completed=value.completed,
        failed=value.failed,
        oldest_pending_age=messages.duration(value.oldest),
    )


def live_worker(value: WorkerInfo) -> pb.LiveWorker:
    """Convert a live worker to a message."""
    return pb.LiveWorker(
        worker=value.name,
        host=value.host,
        version=value.version,
        slots=value.slots,
        engines=[picture_options.ENGINES[each] for each in value.engines],
    )


def failure_group(value: FailureGroup) -> pb.FailureGroup:
    """Convert failures with the same code to a message."""
    return pb.FailureGroup(
        code=value.code, count=value.count, latest_at=messages.timestamp(value.latest_at), message=value.message
    )


def filter_from(message: pb.TaskFilter, *, default: set[TaskState], allowed: set[TaskState]) -> TaskFilter:
    """Read a filter of tasks; without states it selects ``default``.

    Raises:
        InvalidRequest: a field can't be used, or a state is not one of ``allowed``.

    """
    states = messages.states_from(message.states) or default
    if states - allowed:
        names = ", ".join(sorted(allowed))
        raise InvalidRequest("filter.states", f"{min(states - allowed)} is not possible here; use any of {names}")
    if len(message.error_codes) > MAX_ERROR_CODES:
        raise InvalidRequest("filter.error_codes", f"names {len(message.error_codes)} codes; {MAX_ERROR_CODES} at most")
    if message.user_id:
        require_name(message.user_id, "filter.user_id")
    return TaskFilter(
        states=states,
        user_id=message.user_id or None,
        error_codes=tuple(message.error_codes),
        engine=picture_options.engine_from(message.engine, "filter.engine") if message.HasField("engine") else None,
        created_from=_time(message, "created_from"),
        created_before=_time(message, "created_before"),
    )


def _time(message: pb.TaskFilter, name: Literal["created_from", "created_before"]) -> datetime | None:
    return time_from(getattr(message, name), f"filter.{name}") if message.HasField(name) else None


def token_from(text: str) -> int | None:
    """Read a page token: the id of the last task of the previous page.

    Raises:
        InvalidRequest: the text is none.

    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("page_token", f"{text!r} is not a page token of this service")
    return int(text)


def require_name(name: str, field: str) -> None:
    """Check the name of a user.

    Raises:
        InvalidRequest: the name can't be used.

    """
    if not usable_name(name):
        raise InvalidRequest(field, f"must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable")


def priority(value: int) -> int:
    """Read a priority.

    Raises:
        InvalidRequest: the priority is out of range.

    """
    if not MIN_PRIORITY <= value <= MAX_PRIORITY:
        raise InvalidRequest("priority", f"{value} is not within {MIN_PRIORITY} to {MAX_PRIORITY}")
    return value


def user_limits_from(message: pb.UserLimits) -> UserLimits:
    """Read the limits of a user.

    Raises:
        InvalidRequest: a limit is negative or too large.

    """
    read = {
        "max_pending": message.max_pending if message.HasField("max_pending") else None,
        "max_running": message.max_running if message.HasField("max_running") else None,
        "max_stored_bytes": message.max_stored_bytes if message.HasField("max_stored_bytes") else None,
    }
    for name, value in read.items():
        most = MAX_BYTES if name == "max_stored_bytes" else MAX_COUNT
        if value is not None and not 0 <= value <= most:
            raise InvalidRequest(f"limits.{name}", f"{value} is not within 0 to {most}")
    return UserLimits(pending=read["max_pending"], running=read["max_running"], stored_bytes=read["max_stored_bytes"])


def user(value: UserRecord) -> pb.User:
    """Convert a user to a message."""
    own = value.limits
    limits = pb.UserLimits(max_pending=own.pending, max_running=own.running, max_stored_bytes=own.stored_bytes)
    return pb.User(
        user_id=value.user_id,
        pending=value.pending,
        running=value.running,
        stored_bytes=value.stored_bytes,
        limits=None if own == UserLimits() else limits,
    )


def new_api_key(request: pb.CreateApiKeyRequest, *, by: str, now: datetime) -> tuple[ApiKey, str]:
    """Make the key that a request asks for; return it with the text for its holder.

    Raises:
        InvalidRequest: a field can't be used.

    """
    if not 1 <= len(request.name) <= MAX_KEY_NAME or not request.name.isprintable():
        raise InvalidRequest("name", f"must have 1 to {MAX_KEY_NAME} printable characters")
    require_name(request.user_id, "user_id")
    known = {scope.value for scope in Scope}
    if not request.scopes or not known.issuperset(request.scopes):
        raise InvalidRequest("scopes", f"name one or more of {', '.join(sorted(known))}")
    expires_at = None
    if request.HasField("lasts"):
        lasts = duration_from(request.lasts, "lasts")
        if not timedelta(minutes=1) <= lasts <= MAX_KEY_LIFE:
            raise InvalidRequest(
                "lasts", f"{lasts.total_seconds():g} s is not within 1 min to {MAX_KEY_LIFE.days} days"
            )
        expires_at = now + lasts
    key_id, secret_hash, text = generate()
    key = ApiKey(
        key_id=key_id,
        name=request.name,
        secret_hash=secret_hash,
        user_id=request.user_id,
        scopes=frozenset(request.scopes),
        created_at=now,
        created_by=by,
        expires_at=expires_at,
    )
    return key, text


def api_key(value: ApiKey) -> pb.ApiKey:
    """Convert a key to a message, without its secret."""
    return pb.ApiKey(
        key_id=value.key_id,
        name=value.name,
        user_id=value.user_id,
        scopes=sorted(value.scopes),
        created_at=messages.timestamp(value.created_at),
        created_by=value.created_by,
        expires_at=messages.timestamp(value.expires_at),
        last_used_at=messages.timestamp(value.last_used_at),
        revoked_at=messages.timestamp(value.revoked_at),
    )
