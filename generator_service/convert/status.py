"""Errors as rich gRPC statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from generator_service.domain import errors
from generator_service.store.writer import StoreBusy, StoreClosed

DOMAIN = "whitebg"
RETRY_SOON = timedelta(seconds=1)


@dataclass(slots=True)
class Problem:
    """A status in the making."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None
    field_violation: tuple[str, str] | None = None
    quota_subject: str | None = None

    def status(self) -> grpc.Status:
        """Return it in gRPC's form, details included."""
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
            delay = duration_pb2.Duration()
            delay.FromTimedelta(self.retry_after)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            item = any_pb2.Any()
            item.Pack(detail)
            packed.append(item)
        number = code_pb2.Code.Value(self.code.name)
        return rpc_status.to_status(status_pb2.Status(code=number, message=self.message, details=packed))


def problem(error: Exception) -> Problem | None:
    """Return how a caller is told of an error; None for one that nobody foresaw."""
    code = grpc.StatusCode
    text = str(error)
    match error:
        case errors.InvalidRequest():
            return Problem(code.INVALID_ARGUMENT, "INVALID_REQUEST", text, field_violation=(error.field, error.message))
        case errors.ImageRejected():
            return Problem(code.INVALID_ARGUMENT, error.code.upper(), text, field_violation=("image", text))
        case errors.TaskNotFound():
            return Problem(code.NOT_FOUND, "TASK_NOT_FOUND", text, {"task_id": str(error.task_id)})
        case errors.ImageNotFound():
            return Problem(code.NOT_FOUND, "IMAGE_NOT_FOUND", text, {"kind": error.kind})
        case errors.OffsetOutOfRange():
            return Problem(code.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE", text)
        case errors.IdempotencyConflict():
            return Problem(code.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT", text, {"task_id": str(error.task_id)})
        case errors.QuotaExceeded():
            return Problem(
                code.RESOURCE_EXHAUSTED,
                "QUOTA_EXCEEDED",
                text,
                {"limit": str(error.limit)},
                retry_after=error.retry_after,
                quota_subject=f"user:{error.user_id}",
            )
        case errors.InvalidTransition():
            return Problem(code.FAILED_PRECONDITION, "INVALID_TRANSITION", text, {"state": error.state})
        case errors.CursorGap():
            where = {"reason": error.reason.value, "oldest": error.oldest, "head": error.head, "epoch": error.epoch}
            return Problem(code.OUT_OF_RANGE, "CURSOR_GAP", text, where)
        case errors.SlowConsumer():
            return Problem(code.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", text, retry_after=RETRY_SOON)
        case errors.Unauthenticated():
            return Problem(code.UNAUTHENTICATED, "UNAUTHENTICATED", text)
        case errors.PermissionDenied():
            return Problem(code.PERMISSION_DENIED, "PERMISSION_DENIED", text)
        case StoreBusy() | StoreClosed():
            return Problem(code.UNAVAILABLE, "UNAVAILABLE", text, retry_after=RETRY_SOON)
    return None
