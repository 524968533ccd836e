"""Requests of the contract, checked and in the domain's terms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from urllib.parse import quote

from generator_service.convert import messages
from generator_service.domain.cursor import Cursor, LogCursor, UserCursor
from generator_service.domain.errors import ImageNotFound, InvalidRequest
from generator_service.domain.task import Task, TaskState
from generator_service.submission import Submission
from generator_service.watch.feed import OnGap, WatchRequest
from generator_service.watch.watchers import Scope
from protos.whitebg.v1 import generator_service_pb2 as pb

TASKS_PER_PAGE, MAX_TASKS_PER_PAGE = 50, 500
EVENTS_PER_PAGE, MAX_EVENTS_PER_PAGE = 500, 1000
MAX_SKIP = 100_000
MAX_WATCHED_TASKS = 1000
MAX_URL_LIFETIME = timedelta(hours=1)

_ON_GAP = {
    pb.ON_GAP_UNSPECIFIED: OnGap.SNAPSHOT,
    pb.ON_GAP_SNAPSHOT: OnGap.SNAPSHOT,
    pb.ON_GAP_FAIL: OnGap.FAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which page of which tasks."""

    states: Collection[TaskState]
    before: int | None
    skip: int
    limit: int


def submission(request: pb.SubmitTaskRequest, user_id: str) -> Submission:
    """Read a request for a task.

    Raises:
        InvalidRequest: an option is not known.

    """
    source = request.WhichOneof("source")
    timeout: timedelta | None = request.timeout.ToTimedelta() if request.HasField("timeout") else None
    return Submission(
        user_id=user_id,
        image=request.image if source == "image" else None,
        source_task_id=request.source_task_id if source == "source_task_id" else None,
        filename=request.filename,
        options=messages.options_from(request.options),
        idempotency_key=request.idempotency_key or None,
        priority=request.priority,
        timeout=timeout,
        reuse=request.reuse,
    )


def task_query(request: pb.ListTasksRequest) -> TaskQuery:
    """Read which page is wanted.

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
    )


def page_size(asked: int, *, default: int, most: int) -> int:
    """Read a page size; zero means the default.

    Raises:
        InvalidRequest: it is negative or too large.

    """
    if not 0 <= asked <= most:
        raise InvalidRequest("page_size", f"{asked} is not within 1 to {most}")
    return asked or default


def watch_request(request: pb.WatchTasksRequest, user_id: str | None) -> WatchRequest:
    """Read what to watch; ``user_id`` None means everybody.

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
    )


def _cursor(text: str, user_id: str | None) -> Cursor:
    return LogCursor.parse(text) if user_id is None else UserCursor.parse(text)


def image(task: Task, kind: pb.ImageKind.ValueType) -> tuple[str, pb.ImageInfo]:
    """Find one of a task's images: its key in the blob store, and what to say of it.

    Raises:
        ImageNotFound: the task has none of this kind, or not yet.
        InvalidRequest: there is no such kind.

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
    if kind not in {pb.IMAGE_KIND_RESULT, pb.IMAGE_KIND_THUMBNAIL}:
        raise InvalidRequest("kind", f"{kind} is not an image kind; ask for the input, the result or the thumbnail")
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
    info = pb.ImageInfo(
        content_type=result.format.content_type,
        size_bytes=result.size_bytes,
        etag=result.sha256,
        filename=f"{stem}-white.{result.format.value}",
    )
    return result.blob, info


def url_lifetime(request: pb.DownloadImageRequest) -> timedelta | None:
    """Return how long an address should be good; None if none is wanted.

    Raises:
        InvalidRequest: for no time, or for too long.

    """
    if not request.HasField("url_lifetime"):
        return None
    lifetime: timedelta = request.url_lifetime.ToTimedelta()
    if not timedelta(seconds=1) <= lifetime <= MAX_URL_LIFETIME:
        text = f"{lifetime.total_seconds():g} s is not within 1 s to {MAX_URL_LIFETIME.total_seconds():g} s"
        raise InvalidRequest("url_lifetime", text)
    return lifetime


def disposition(filename: str, *, attachment: bool) -> str:
    """Return the header with the name for old clients in ASCII, and for all others as it is (RFC 6266)."""
    ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    kind = "attachment" if attachment else "inline"
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
