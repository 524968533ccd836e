"""Validates the API's requests and converts them to domain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Literal
from urllib.parse import quote

from google.protobuf.duration_pb2 import Duration

from generator_service.domain.batch import check_batch_id
from generator_service.domain.cursor import Cursor, LogCursor, UserCursor
from generator_service.domain.errors import ImageNotFound, InvalidRequest
from generator_service.domain.presets import check_hints
from generator_service.domain.revocation import NewRevocation, Session, revocation_of
from generator_service.domain.task import Review, Task, TaskState
from generator_service.rpc.auth import MAX_USER_ID_LENGTH, usable_name
from generator_service.rpc.convert import messages, picture_options
from generator_service.rpc.convert.times import duration_from, time_from
from generator_service.submission import Submission, check_pictures
from generator_service.watch.feed import OnGap, WatchRequest
from generator_service.watch.watchers import Scope
from whitebg.v1 import generator_service_pb2 as pb

TASKS_PER_PAGE, MAX_TASKS_PER_PAGE = 50, 500
EVENTS_PER_PAGE, MAX_EVENTS_PER_PAGE = 500, 1000
MAX_REVOCATIONS_PER_PAGE = 1000
MAX_SKIP = 100_000
MAX_SUBMITTED_TASKS = 256
"""So that the response stays below gRPC's 4 MiB with the longest prompts."""
MAX_WATCHED_TASKS = 1000
MAX_DELETED_TASKS = 1000
MAX_REVIEWED_TASKS = 1000
MAX_URL_LIFETIME = timedelta(hours=1)
DEFAULT_URL_LIFETIME = timedelta(minutes=10)

_ON_GAP = {
    pb.ON_GAP_UNSPECIFIED: OnGap.SNAPSHOT,
    pb.ON_GAP_SNAPSHOT: OnGap.SNAPSHOT,
    pb.ON_GAP_FAIL: OnGap.FAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A requested page of tasks, with its filter."""

    states: Collection[TaskState]
    before: int | None
    skip: int
    limit: int
    batch_id: str | None
    review: Review | None


def submission(request: pb.SubmitTaskRequest, user_id: str, *, now: datetime) -> Submission:
    """Read a request for a task; ``now`` is the wall time.

    Raises:
        InvalidRequest: an option is unknown, there are too many pictures or hints, or the batch's name or a time can't
            be used.

    """
    check_pictures(len(request.more_options))
    for each in (request.options, *request.more_options):
        check_hints(len(each.hints))
    source = request.WhichOneof("source")
    run_at = _time(request, "run_at")
    timeout = duration_from(request.timeout, "timeout") if request.HasField("timeout") else None
    return Submission(
        user_id=user_id,
        image=request.image if source == "image" else None,
        source_task_id=request.source_task_id if source == "source_task_id" else None,
        filename=request.filename,
        options=picture_options.options_from(request.options),
        idempotency_key=request.idempotency_key or None,
        priority=request.priority,
        timeout=timeout,
        reuse=request.reuse,
        mask=request.mask or None,
        drop_source_mask=request.drop_source_mask,
        batch_id=_batch_id(request.batch_id),
        more_options=tuple(picture_options.options_from(each) for each in request.more_options),
        delay=max(timedelta(), (run_at or now) - now),
        run_at=run_at,
    )


def check_submissions(request: pb.SubmitTasksRequest) -> None:
    """Check how many pictures are requested.

    Raises:
        InvalidRequest: none, or too many.

    """
    pictures = sum(1 + len(each.more_options) for each in request.requests)
    if not 1 <= pictures <= MAX_SUBMITTED_TASKS:
        raise InvalidRequest("requests", f"ask for {pictures} pictures; 1 to {MAX_SUBMITTED_TASKS} are taken at once")


def task_query(request: pb.ListTasksRequest) -> TaskQuery:
    """Read the request for a page.

    Raises:
        InvalidRequest: page size, token, skip or a state can't be used.

    """
    before = None
    if request.page_token:
        if not (request.page_token.isascii() and request.page_token.isdigit() and len(request.page_token) <= 18):
            raise InvalidRequest("page_token", f"{request.page_token!r} is not a page token of this service")
        before = int(request.page_token)
    if not 0 <= request.skip <= MAX_SKIP:
        raise InvalidRequest("skip", f"{request.skip} is not within 0 to {MAX_SKIP}; use page_token to go further")
    return TaskQuery(
        states=messages.states_from(request.states),
        before=before,
        skip=request.skip,
        limit=page_size(request.page_size, default=TASKS_PER_PAGE, most=MAX_TASKS_PER_PAGE),
        batch_id=_batch_id(request.batch_id),
        review=messages.review_from(request.review) if request.review else None,
    )


def _batch_id(text: str) -> str | None:
    return check_batch_id(text) if text else None


def check_deletion(request: pb.DeleteTasksRequest) -> None:
    """Check which tasks are to be deleted.

    Raises:
        InvalidRequest: none are selected, or too many.

    """
    if bool(request.task_ids) + request.all + bool(request.batch_id) != 1:
        raise InvalidRequest("task_ids", "name tasks or a batch to delete, or set all; exactly one of the three")
    _batch_id(request.batch_id)
    if len(request.task_ids) > MAX_DELETED_TASKS:
        raise InvalidRequest(
            "task_ids", f"names {len(request.task_ids)} tasks; at most {MAX_DELETED_TASKS} in one call"
        )


def review(request: pb.ReviewTasksRequest) -> Review:
    """Read the decision on tasks.

    Raises:
        InvalidRequest: no tasks are named, or too many, or the decision is not set.

    """
    if not 1 <= len(request.task_ids) <= MAX_REVIEWED_TASKS:
        raise InvalidRequest(
            "task_ids", f"names {len(request.task_ids)} tasks; name 1 to {MAX_REVIEWED_TASKS} in one call"
        )
    return messages.review_from(request.review)


def page_size(asked: int, *, default: int, most: int) -> int:
    """Read a page size; zero means the default.

    Raises:
        InvalidRequest: the size is negative or too large.

    """
    if not 0 <= asked <= most:
        raise InvalidRequest("page_size", f"{asked} is not within 1 to {most}")
    return asked or default


def watch_request(request: pb.WatchTasksRequest, user_id: str | None, session: Session | None = None) -> WatchRequest:
    """Read the request for a watch; ``user_id`` None means all users.

    Raises:
        BadCursor: ``after`` is not a cursor of this scope.
        InvalidRequest: too many task ids, or an unknown ``on_gap``.

    """
    if len(request.task_ids) > MAX_WATCHED_TASKS:
        raise InvalidRequest(
            "task_ids", f"names {len(request.task_ids)} tasks; at most {MAX_WATCHED_TASKS}, or none for all"
        )
    if request.on_gap not in _ON_GAP:
        raise InvalidRequest("on_gap", f"{request.on_gap} is not known")
    return WatchRequest(
        scope=Scope(user_id, frozenset(request.task_ids) or None),
        after=_cursor(request.after, user_id) if request.after else None,
        on_gap=_ON_GAP[request.on_gap],
        snapshot=request.snapshot,
        stop_at_head=request.stop_at_head,
        session=session,
    )


def revocation(request: pb.RevokeSessionRequest, *, now: datetime) -> NewRevocation:
    """Read the request to revoke sessions.

    Raises:
        InvalidRequest: neither or both of session and user are named, or a time can't be used.

    """
    if bool(request.session_id) == bool(request.user_id):
        raise InvalidRequest("session_id", "name either a session or a user")
    name, field = (request.session_id, "session_id") if request.session_id else (request.user_id, "user_id")
    if not usable_name(name):
        raise InvalidRequest(field, f"must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable")
    expires_at = _time(request, "expires_at")
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest("expires_at", f"{expires_at.isoformat()} has passed; leave it out for the default")
    whole = revocation_of(session_id=request.session_id, user_id=request.user_id, at=now)
    issued_before = min(now, _time(request, "issued_before") or now)
    return replace(whole, revoked_at=issued_before, expires_at=expires_at or whole.expires_at)


def _time(
    request: pb.RevokeSessionRequest | pb.SubmitTaskRequest, name: Literal["issued_before", "expires_at", "run_at"]
) -> datetime | None:
    if not request.HasField(name):  # type: ignore[arg-type]  # each name is a field of its own request
        return None
    return time_from(getattr(request, name), name)


def _cursor(text: str, user_id: str | None) -> Cursor:
    return LogCursor.parse(text) if user_id is None else UserCursor.parse(text)


def image(task: Task, kind: pb.ImageKind.ValueType) -> tuple[str, pb.ImageInfo]:
    """Find one of a task's images: its key in the blob store, and its description.

    Raises:
        ImageNotFound: the task has no image of this kind, or not yet.
        InvalidRequest: the kind is unknown.

    """
    stem = PurePath(task.input.filename).stem or f"task-{task.task_id}"
    result = task.result
    if kind == pb.IMAGE_KIND_INPUT:
        photo = task.input
        info = pb.ImageInfo(
            content_type=photo.content_type,
            size_bytes=photo.size_bytes,
            etag=photo.sha256,
            filename=photo.filename or stem,
        )
        return photo.blob, info
    if kind not in {pb.IMAGE_KIND_RESULT, pb.IMAGE_KIND_THUMBNAIL, pb.IMAGE_KIND_MASK}:
        known = "the input, the result, the thumbnail or the mask"
        raise InvalidRequest("kind", f"{kind} is not an image kind; ask for {known}")
    if result is None:
        why = f"it is {task.state}" if task.state.terminal else f"it is still {task.state}; watch it and come back"
        raise ImageNotFound(task.task_id, "result", why)
    if kind == pb.IMAGE_KIND_THUMBNAIL:
        info = pb.ImageInfo(
            content_type="image/jpeg",
            size_bytes=result.thumbnail_bytes,
            etag=f"{result.sha256}-thumbnail",
            filename=f"{stem}-thumbnail.jpg",
        )
        return result.thumbnail_blob, info
    if kind == pb.IMAGE_KIND_MASK:
        if result.mask_blob is None:
            why = "its result has none, because the picture was generated or is of an older version"
            raise ImageNotFound(task.task_id, "mask", why)
        info = pb.ImageInfo(
            content_type="image/png",
            size_bytes=result.mask_bytes,
            etag=f"{result.sha256}-mask",
            filename=f"{stem}-mask.png",
        )
        return result.mask_blob, info
    info = pb.ImageInfo(
        content_type=result.format.content_type,
        size_bytes=result.size_bytes,
        etag=result.sha256,
        filename=f"{stem}-white.{result.format.value}",
    )
    return result.blob, info


def url_lifetime(requested: Duration, field: str) -> timedelta:
    """Return the requested validity of a URL.

    Raises:
        InvalidRequest: it is under a second, or too long.

    """
    lifetime = duration_from(requested, field)
    if not timedelta(seconds=1) <= lifetime <= MAX_URL_LIFETIME:
        text = f"{lifetime.total_seconds():g} s is not within 1 s to {MAX_URL_LIFETIME.total_seconds():g} s"
        raise InvalidRequest(field, text)
    return lifetime


def disposition(filename: str, *, attachment: bool) -> str:
    """Return the header with the name in ASCII for old clients, and in full for all others (RFC 6266)."""
    ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    kind = "attachment" if attachment else "inline"
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
