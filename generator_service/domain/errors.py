"""Everything that can go wrong with a request, a task or a watcher.

::

    WhitebgError
    ├── InvalidRequest          a field of the request can't be used
    │   └── BadCursor           the text is not a cursor, or one of the other scope
    ├── ImageRejected           the bytes are not a photo that can be taken
    ├── TaskNotFound            no such task, or somebody else's
    ├── ImageNotFound           the task has no such image
    ├── OffsetOutOfRange        the image is shorter than that
    ├── IdempotencyConflict     the key was used with another request
    ├── QuotaExceeded           too many tasks of this user
    ├── InvalidTransition       the task's state does not allow it
    ├── LeaseLost               the worker no longer holds the task
    ├── CursorGap               the cursor can't be resumed without a hole
    ├── SlowConsumer            the watcher does not keep up
    ├── EngineError             an engine made no picture
    ├── Unauthenticated         nobody knows who is calling
    └── PermissionDenied        the caller may not do this

The string of an error is written for the person who caused it: what was wrong, with which value, what to do.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


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
    """The bytes are not a photo that can be taken. ``code`` is stable, such as ``image_too_large``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TaskNotFound(WhitebgError):
    """There is no such task for this user."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f"task {task_id} does not exist; check the id, or list the tasks")
        self.task_id = task_id


class ImageNotFound(WhitebgError):
    """The task has no such image, or not yet."""

    def __init__(self, task_id: int, kind: str, why: str) -> None:
        super().__init__(f"task {task_id} has no {kind} image: {why}")
        self.task_id = task_id
        self.kind = kind


class OffsetOutOfRange(WhitebgError):
    """A part of an image was asked for that lies past its end."""

    def __init__(self, offset: int, size: int) -> None:
        super().__init__(f"offset {offset} lies past the image's end at {size} bytes")


class IdempotencyConflict(WhitebgError):
    """The idempotency key stands for another request."""

    def __init__(self, key: str, task_id: int) -> None:
        super().__init__(
            f"idempotency key {key!r} was already used for task {task_id} with another image or other options; "
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
    """The log was lost or restored since."""
    CURSOR_IN_FUTURE = "cursor_in_future"
    """It lies past the head."""
    CURSOR_TOO_OLD = "cursor_too_old"
    """Events after it have been compacted away."""


class CursorGap(WhitebgError):
    """Events after the cursor are not all there."""

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


class EngineError(WhitebgError):
    """An engine made no picture.

    ``retryable`` says whether the same job might succeed later, ``retry_after`` when at the earliest (the
    engine's own hint), ``max_attempts`` caps the attempts below the task's own number.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after: timedelta | None = None,
        max_attempts: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.max_attempts = max_attempts


class Unauthenticated(WhitebgError):
    """Nobody knows who is calling."""


class PermissionDenied(WhitebgError):
    """The caller is known, and may not do this."""
