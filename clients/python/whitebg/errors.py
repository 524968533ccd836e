"""Everything that can go wrong between you and the service.

::

    WhitebgError
    ├── InvalidRequest        a value of the request can't be used; `violations` names it
    ├── Unauthenticated       the token is missing, malformed or expired
    ├── PermissionDenied      the token's scope does not allow the call
    ├── NotFound              no such task or image, or another user's
    ├── IdempotencyConflict   the idempotency key was used with another request
    ├── WrongState            the task's state does not allow it any more
    ├── QuotaExceeded         too many tasks waiting; retry after `retry_after`
    ├── CursorGap             the cursor can't be resumed without a hole
    ├── Overloaded            the service can't take more now, or the watcher was too slow
    ├── ServiceUnavailable    the service can't be reached, or is shutting down
    ├── DeadlineExceeded      it took longer than the time allowed (also a `TimeoutError`)
    ├── CertificateError      a file of `ClientTls` is missing, is no certificate, or does not go with the others
    ├── DownloadFailed        the bytes that came are not the whole image
    ├── ClientStateError      the client is closed, was forked, or its own callback calls it (also a `RuntimeError`)
    ├── TaskFailed            a task ended without a picture
    └── ServiceError          the service failed in a way it did not foresee

The string of an error is written for a person: the problem, the value, the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class WhitebgError(Exception):
    """Base of all errors that whitebg raises on purpose.

    ``reason`` is the service's stable code in UPPER_SNAKE_CASE, such as ``TASK_NOT_FOUND``; empty where the error
    did not come from the service, or came without one. ``metadata`` holds the facts that came with it.
    """

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One value that can't be used: which field, and why."""

    field: str
    description: str


class InvalidRequest(WhitebgError):
    """A value of the request can't be used."""

    def __init__(
        self,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.violations = violations


class Unauthenticated(WhitebgError):
    """The token is missing, malformed or expired."""


class PermissionDenied(WhitebgError):
    """The token's scope does not allow the call."""


class NotFound(WhitebgError):
    """The task or image does not exist or belongs to another user."""


class IdempotencyConflict(WhitebgError):
    """The idempotency key was used with another request."""


class WrongState(WhitebgError):
    """The task's state does not allow it any more: a task that has ended can't be cancelled."""


class QuotaExceeded(WhitebgError):
    """Too many tasks of this user are waiting. ``retry_after`` is in seconds."""

    def __init__(
        self, message: str, retry_after: float, *, reason: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after = retry_after


class CursorGap(WhitebgError):
    """Events after the cursor are not all there. Watch with a snapshot instead.

    ``why`` is ``epoch_changed``, ``cursor_in_future`` or ``cursor_too_old``; ``oldest`` and ``head`` are the cursors
    between which the log can be read.
    """

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.why = self.metadata.get("reason", "")
        self.oldest = self.metadata.get("oldest", "")
        self.head = self.metadata.get("head", "")
        self.epoch = self.metadata.get("epoch", "")


class Overloaded(WhitebgError):
    """The service can't take more now, or this watcher was too slow. Trying again later loses nothing."""


class ServiceUnavailable(WhitebgError):
    """The service can't be reached, is shutting down, or can't store anything. Trying again later loses nothing.

    ``retry_after`` is how many seconds the service asks to wait; None where it did not answer.
    """

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after = retry_after


class DeadlineExceeded(WhitebgError, TimeoutError):
    """It took longer than the time allowed."""


class ClientStateError(WhitebgError, RuntimeError):
    """The client can't be used here: it is closed, its process was forked, or its own callback calls it."""


class DownloadFailed(WhitebgError):
    """The bytes that came are not the whole image."""


class TaskFailed(WhitebgError):
    """A task ended without a picture. ``code`` is stable, such as ``image_truncated`` or ``cancelled``."""

    def __init__(self, task_id: int, state: str, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"task {task_id} ended as {state}: {message}")
        self.task_id = task_id
        self.state = state
        self.code = code
        self.explanation = message
        self.retryable = retryable


class ServiceError(WhitebgError):
    """The service failed in a way it did not foresee."""


class CertificateError(WhitebgError):
    """A file of `ClientTls` is missing, is no certificate, or does not go with the others."""
