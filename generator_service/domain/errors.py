"""Errors of requests, tasks and watchers.

::

    WhitebgError
    ├── InvalidRequest          a field of the request can't be used
    │   └── BadCursor           the text is not a cursor, or one of the other scope
    ├── ImageRejected           the bytes are not an acceptable photo
    ├── TaskNotFound            no such task, or another user owns it
    ├── BatchNotFound           no such batch of this user
    ├── BatchClosed             no more tasks can be added to the batch
    ├── ImageNotFound           the task has no such image
    ├── OffsetOutOfRange        the offset lies past the image's end
    ├── IdempotencyConflict     the key was used with another request
    ├── QuotaExceeded           the user has too many waiting tasks
    ├── StorageQuotaExceeded    the user's stored images take too many bytes
    ├── DiskFull                too little space is free for another photo
    ├── Overloaded              too many requests are waiting to be received
    ├── RequestIncomplete       the request did not arrive in time
    ├── InvalidTransition       the task's state does not allow it
    ├── LeaseLost               the worker no longer holds the task
    ├── CursorGap               events after the cursor are missing
    ├── SlowConsumer            the watcher does not keep up
    ├── SlowSnapshot            the watcher does not take its snapshot
    ├── ShuttingDown            the service ends, and with it a watch
    ├── EngineError             an engine made no picture
    │   └── EngineUnavailable   it can't be used at present, for any photo
    ├── ApiKeyNotFound          no such API key
    ├── WebhookNotFound         no such webhook endpoint
    ├── Unauthenticated         the caller could not be identified
    │   └── SessionRevoked      the token's session was revoked
    └── PermissionDenied        the caller may not do this

The string of an error is addressed to the caller: the problem, the value and the remedy.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from generator_service.domain.task import WaitReason


class WhitebgError(Exception):
    """Base of all errors that whitebg raises on purpose."""


class InvalidRequest(WhitebgError):
    """A field of the request can't be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class BadCursor(InvalidRequest):
    """The text is not a cursor, or a cursor of the other scope."""

    def __init__(self, text: str, message: str) -> None:
        super().__init__("after", f"{text!r} {message}; use a cursor exactly as the service returned it")


class ImageRejected(WhitebgError):
    """The bytes are not an acceptable photo. ``code`` is stable, such as ``image_too_large``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TaskNotFound(WhitebgError):
    """There is no such task for this user."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f"task {task_id} does not exist; check the id, or list the tasks")
        self.task_id = task_id


class BatchNotFound(WhitebgError):
    """The user has no task of this batch."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"batch {batch_id!r} does not exist; it begins with its first task")
        self.batch_id = batch_id


class BatchClosed(WhitebgError):
    """No more tasks can be added to the batch."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"batch {batch_id!r} is closed; submit the task to another batch, or to none")
        self.batch_id = batch_id


class ImageNotFound(WhitebgError):
    """The task has no such image, or not yet."""

    def __init__(self, task_id: int, kind: str, why: str) -> None:
        super().__init__(f"task {task_id} has no {kind} image: {why}")
        self.task_id = task_id
        self.kind = kind


class OffsetOutOfRange(WhitebgError):
    """The requested offset lies past the end of the image."""

    def __init__(self, offset: int, size: int) -> None:
        super().__init__(f"offset {offset} lies past the image's end at {size} bytes")


class IdempotencyConflict(WhitebgError):
    """The idempotency key was already used for another request."""

    def __init__(self, key: str, task_id: int) -> None:
        super().__init__(
            f"idempotency key {key!r} was already used for task {task_id} with another request; "
            "use a new key for a new request"
        )
        self.key = key
        self.task_id = task_id


class QuotaExceeded(WhitebgError):
    """The user has too many tasks waiting."""

    def __init__(self, user_id: str, limit: int, retry_after: timedelta) -> None:
        super().__init__(
            f"user {user_id!r} already has {limit} tasks waiting, which is the limit; "
            f"wait for some to finish and try again in {retry_after.total_seconds():.0f} s"
        )
        self.user_id = user_id
        self.limit = limit
        self.retry_after = retry_after


class StorageQuotaExceeded(WhitebgError):
    """The user's stored images would exceed the limit in bytes."""

    def __init__(self, user_id: str, stored: int, limit: int) -> None:
        super().__init__(
            f"with this photo, user {user_id!r} would have {stored / 2**20:,.1f} MiB of images stored; "
            f"the limit is {limit / 2**20:,.0f} MiB: "
            "download results that you need and wait until older tasks are deleted, or ask for a higher limit"
        )
        self.user_id = user_id
        self.limit = limit


class DiskFull(WhitebgError):
    """Too little space is free for another photo."""

    def __init__(self, folder: str, free: int, min_free: int) -> None:
        super().__init__(
            f"the service's disk is nearly full and takes no new photos: {free / 2**20:,.0f} MiB are free and "
            f"{min_free / 2**20:,.0f} MiB must stay free; try again later"
        )
        self.folder = folder


class Overloaded(WhitebgError):
    """The limit of requests waiting to be received is reached; the call may be repeated."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} requests already wait to be received; try again in 1 s")


class TooManyStreams(WhitebgError):
    """The account has as many streams open as it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} streams of this account are open, the limit; close some, or watch all with one")


class RequestIncomplete(WhitebgError):
    """The request did not arrive in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request did not arrive within {seconds:g} s; send it again over a faster connection")


class InvalidTransition(WhitebgError):
    """The task's state does not allow the change."""

    def __init__(self, task_id: int, state: str, event: str) -> None:
        super().__init__(f"task {task_id} is {state}; it can't become {event} any more")
        self.task_id = task_id
        self.state = state
        self.event = event


class LeaseLost(WhitebgError):
    """The worker no longer holds the task: its lease ran out, or the task was cancelled."""

    def __init__(self, task_id: int, attempt: int) -> None:
        super().__init__(f"attempt {attempt} of task {task_id} is not held by this worker any more")
        self.task_id = task_id
        self.attempt = attempt


class GapReason(StrEnum):
    """Why a cursor can't be resumed."""

    EPOCH_CHANGED = "epoch_changed"
    """The log has been lost or restored since the cursor was issued."""
    CURSOR_IN_FUTURE = "cursor_in_future"
    """The cursor lies past the head of the log."""
    CURSOR_TOO_OLD = "cursor_too_old"
    """Events after the cursor have been removed by compaction."""


class CursorGap(WhitebgError):
    """Events after the cursor are missing."""

    def __init__(self, reason: GapReason, *, cursor: str, oldest: str, head: str, epoch: str) -> None:
        super().__init__(
            f"cursor {cursor!r} can't be resumed ({reason}); the log reaches from {oldest!r} to {head!r}: "
            "take a snapshot and go on from its cursor"
        )
        self.reason = reason
        self.oldest = oldest
        self.head = head
        self.epoch = epoch


class SlowConsumer(WhitebgError):
    """The watcher's bounded queue of durable events is full. Its last cursor still resumes exactly."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the watcher fell more than {limit} events behind; open it again with its last cursor")


class SlowSnapshot(WhitebgError):
    """The watcher takes its snapshot too slowly to be read in one transaction."""

    def __init__(self) -> None:
        super().__init__("the snapshot was not taken fast enough; read it at once and process it afterwards")


class ShuttingDown(WhitebgError):
    """The service ends, and with it a watch."""

    def __init__(self) -> None:
        super().__init__("the service is shutting down; open the watch again with its last cursor")


class EngineError(WhitebgError):
    """An engine made no picture.

    ``retryable``: the same job may succeed later; ``retry_after`` is the engine's hint for the shortest wait.
    ``max_attempts`` limits the attempts further than the task does. ``engine_fault``: the engine is the cause, not
    the photo, so another engine may succeed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after: timedelta | None = None,
        max_attempts: int | None = None,
        engine_fault: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.max_attempts = max_attempts
        self.engine_fault = engine_fault


class EngineUnavailable(EngineError):
    """The engine can't be used at present, for any photo: tasks wait, and no attempt is counted.

    ``lasting``: the outage is known to last, such as a daily quota that is used up.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: WaitReason = WaitReason.ENGINE_UNAVAILABLE,
        retry_after: timedelta | None = None,
        lasting: bool = False,
    ) -> None:
        super().__init__(code, message, retryable=True, retry_after=retry_after, engine_fault=True)
        self.reason = reason
        self.lasting = lasting


class ApiKeyNotFound(WhitebgError):
    """There is no such API key."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no API key {key_id!r}; list them with ListApiKeys")


class WebhookNotFound(WhitebgError):
    """There is no such webhook endpoint."""

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"there is no webhook endpoint {endpoint_id!r}; list them with ListWebhooks")


class Unauthenticated(WhitebgError):
    """The caller could not be identified."""


class SessionRevoked(Unauthenticated):
    """The token's session was revoked before the token expired."""

    def __init__(self) -> None:
        super().__init__("the session was revoked; sign in again")


class SessionExpired(Unauthenticated):
    """The token or API key expired during a watch."""

    def __init__(self) -> None:
        super().__init__("the token has expired; open the watch again with a new one and the last cursor")


class PermissionDenied(WhitebgError):
    """The caller is identified but not allowed to do this."""
