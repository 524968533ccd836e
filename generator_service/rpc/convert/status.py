"""Errors as rich gRPC statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import singledispatch
from typing import Any

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import Status
from grpc import StatusCode as Code
from grpc.aio import ServicerContext
from grpc_status import rpc_status

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.domain import errors
from generator_service.engines.inspector import InspectorUnavailable
from generator_service.rpc.convert.messages import duration
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.unavailable import LASTING
from generator_service.store.writer import StoreBusy, StoreClosed
from generator_service.watch.feed import LogBroken
from whitebg.v1 import generator_service_pb2 as pb

DOMAIN = "whitebg"
NO_AUTOMATIC_RETRY = ("grpc-retry-pushback-ms", "-1")
"""Disables gRPC's own retries of a deliberate error: the caller retries as RetryInfo requests."""
RETRY_SOON = timedelta(seconds=1)
RETRY_WHEN_MENDED = timedelta(seconds=30)
RETRY_WHEN_FREED = timedelta(seconds=60)
RETRY_WHEN_DELETED = timedelta(minutes=10)
"""Long, because storage is freed by retention or by deleting tasks, not within seconds."""


@dataclass(slots=True)
class Problem:
    """A status, before its conversion to gRPC's form."""

    code: Code
    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None
    field_violation: tuple[str, str] | None = None
    quota_subject: str | None = None

    def status(self) -> Status:
        """Return the status in gRPC's form, details included."""
        details: list[Message] = [
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        ]
        if self.field_violation is not None:
            name, description = self.field_violation
            violation = error_details_pb2.BadRequest.FieldViolation(field=name, description=description)
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.quota_subject is not None:
            quota = error_details_pb2.QuotaFailure.Violation(subject=self.quota_subject, description=self.message)
            details.append(error_details_pb2.QuotaFailure(violations=[quota]))
        if self.retry_after is not None:
            details.append(error_details_pb2.RetryInfo(retry_delay=duration(self.retry_after)))
        packed = []
        for detail in details:
            item = any_pb2.Any()
            item.Pack(detail)
            packed.append(item)
        number = code_pb2.Code.Value(self.code.name)
        return rpc_status.to_status(status_pb2.Status(code=number, message=self.message, details=packed))

    def submit_task_error(self) -> pb.SubmitTaskError:
        """Return the same as the result of one of many submissions."""
        return pb.SubmitTaskError(
            code=code_pb2.Code.Value(self.code.name),
            message=self.message,
            reason=self.reason,
            metadata=self.metadata,
            field=self.field_violation[0] if self.field_violation else "",
            retry_after=duration(self.retry_after),
        )

    def apply(self, context: ServicerContext[Any, Any]) -> None:
        """Set this as the status of a call.

        Not by `abort`: gRPC stores the exception that it raises in the call, and its traceback holds the call and the
        request, so a rejected photo would stay in memory until a full garbage collection.
        """
        metadata = self.status().trailing_metadata or ()
        if self.retry_after is not None:
            metadata = (*metadata, NO_AUTOMATIC_RETRY)
        context.set_code(self.code)
        context.set_details(self.message)
        context.set_trailing_metadata(metadata)


@singledispatch
def problem(error: Exception) -> Problem | None:  # noqa: ARG001 (every expected kind of error is registered below)
    """Return the status of an error for the caller; None for unexpected errors."""
    return None


@problem.register
def _(error: errors.InvalidRequest) -> Problem:
    violation = (error.field, error.message)
    return Problem(Code.INVALID_ARGUMENT, "INVALID_REQUEST", str(error), field_violation=violation)


@problem.register
def _(error: errors.ImageRejected) -> Problem:
    field = "mask" if error.code.startswith("mask_") else "image"
    return Problem(Code.INVALID_ARGUMENT, error.code.upper(), str(error), field_violation=(field, str(error)))


@problem.register
def _(error: errors.TaskNotFound) -> Problem:
    return Problem(Code.NOT_FOUND, "TASK_NOT_FOUND", str(error), {"task_id": str(error.task_id)})


@problem.register
def _(error: errors.BatchNotFound) -> Problem:
    return Problem(Code.NOT_FOUND, "BATCH_NOT_FOUND", str(error), {"batch_id": error.batch_id})


@problem.register
def _(error: errors.BatchClosed) -> Problem:
    return Problem(Code.FAILED_PRECONDITION, "BATCH_CLOSED", str(error), {"batch_id": error.batch_id})


@problem.register
def _(error: errors.ApiKeyNotFound) -> Problem:
    return Problem(Code.NOT_FOUND, "API_KEY_NOT_FOUND", str(error))


@problem.register
def _(error: errors.WebhookNotFound) -> Problem:
    return Problem(Code.NOT_FOUND, "WEBHOOK_NOT_FOUND", str(error))


@problem.register
def _(error: errors.ImageNotFound) -> Problem:
    where = {"task_id": str(error.task_id), "kind": error.kind}
    return Problem(Code.NOT_FOUND, "IMAGE_NOT_FOUND", str(error), where)


@problem.register
def _(error: errors.OffsetOutOfRange) -> Problem:
    return Problem(Code.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE", str(error))


@problem.register
def _(error: errors.IdempotencyConflict) -> Problem:
    return Problem(Code.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT", str(error), {"task_id": str(error.task_id)})


@problem.register
def _(error: errors.QuotaExceeded) -> Problem:
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        "QUOTA_EXCEEDED",
        str(error),
        {"limit": str(error.limit)},
        retry_after=error.retry_after,
        quota_subject=f"user:{error.user_id}",
    )


@problem.register
def _(error: errors.StorageQuotaExceeded) -> Problem:
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        "STORAGE_QUOTA_EXCEEDED",
        str(error),
        {"limit_bytes": str(error.limit)},
        retry_after=RETRY_WHEN_DELETED,
        quota_subject=f"user:{error.user_id}",
    )


@problem.register
def _(error: errors.DiskFull) -> Problem:
    return Problem(Code.UNAVAILABLE, "DISK_FULL", str(error), retry_after=RETRY_WHEN_FREED)


@problem.register
def _(error: errors.Overloaded) -> Problem:
    return Problem(Code.UNAVAILABLE, "OVERLOADED", str(error), retry_after=RETRY_SOON)


@problem.register
def _(error: errors.TooManyStreams) -> Problem:
    return Problem(Code.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", str(error), retry_after=RETRY_SOON)


@problem.register
def _(error: errors.RequestIncomplete) -> Problem:
    return Problem(Code.DEADLINE_EXCEEDED, "REQUEST_INCOMPLETE", str(error))


@problem.register
def _(error: errors.InvalidTransition) -> Problem:
    return Problem(Code.FAILED_PRECONDITION, "INVALID_TRANSITION", str(error), {"state": error.state})


@problem.register
def _(error: errors.CursorGap) -> Problem:
    where = {"reason": error.reason.value, "oldest": error.oldest, "head": error.head, "epoch": error.epoch}
    return Problem(Code.OUT_OF_RANGE, "CURSOR_GAP", str(error), where)


@problem.register
def _(error: errors.SlowConsumer | errors.SlowSnapshot) -> Problem:
    return Problem(Code.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", str(error), retry_after=RETRY_SOON)


@problem.register
def _(error: errors.ShuttingDown) -> Problem:
    return Problem(Code.UNAVAILABLE, "SHUTTING_DOWN", str(error), retry_after=RETRY_SOON)


@problem.register
def _(error: errors.Unauthenticated) -> Problem:
    return Problem(Code.UNAUTHENTICATED, "UNAUTHENTICATED", str(error))


@problem.register
def _(error: errors.SessionRevoked) -> Problem:
    return Problem(Code.UNAUTHENTICATED, "SESSION_REVOKED", str(error))


@problem.register
def _(error: errors.PermissionDenied) -> Problem:
    return Problem(Code.PERMISSION_DENIED, "PERMISSION_DENIED", str(error))


@problem.register
def _(error: LogBroken) -> Problem:
    # Only this read of the log was incomplete, not the log: a new watch starts from the cursor.
    return Problem(Code.UNAVAILABLE, "UNAVAILABLE", str(error), retry_after=RETRY_SOON)


@problem.register
def _(error: DatabaseUnavailable) -> Problem:
    retry_after = RETRY_WHEN_MENDED if error.reason in LASTING else RETRY_SOON
    return Problem(Code.UNAVAILABLE, f"DATABASE_{error.reason.name}", str(error), retry_after=retry_after)


@problem.register(BlobStoreUnavailable)
@problem.register(InspectorUnavailable)
@problem.register(StoreBusy)
@problem.register(StoreClosed)
def _(error: BlobStoreUnavailable | InspectorUnavailable | StoreBusy | StoreClosed) -> Problem:
    return Problem(Code.UNAVAILABLE, "UNAVAILABLE", str(error), retry_after=RETRY_SOON)
