"""From a gRPC status with google.rpc details to an error of ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from whitebg import errors
from whitebg.v1 import generator_service_pb2 as pb

_DETAILS_KEY = "grpc-status-details-bin"
_DOMAIN = "whitebg"

# The transport reports a connection that broke in mid-stream under codes that elsewhere mean a bug.
_BROKEN_TRANSPORT = ("RST_STREAM", "GOAWAY", "Stream removed", "Connection reset", "Socket closed", "End of TCP stream")

_SIMPLE: dict[grpc.StatusCode, type[errors.WhitebgError]] = {
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.IdempotencyConflict,
    grpc.StatusCode.FAILED_PRECONDITION: errors.WrongState,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(slots=True)
class _Details:
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[errors.FieldViolation] = field(default_factory=list)
    retry_after: float | None = None


def _read_details(error: grpc.aio.AioRpcError) -> _Details:
    found = _Details()
    # The stubs call the items opaque; they are pairs.
    pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in pairs:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                continue  # A proxy's garbage in a trailer must not hide the status itself.
            for detail in status.details:
                _read_detail(found, detail)
    return found


def _read_detail(found: _Details, detail: Any) -> None:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == _DOMAIN:
        found.reason, found.metadata = info.reason, dict(info.metadata)
    elif detail.Is(bad.DESCRIPTOR) and detail.Unpack(bad):
        found.violations += [errors.FieldViolation(v.field, v.description) for v in bad.field_violations]
    elif detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
        found.retry_after = retry.retry_delay.ToTimedelta().total_seconds()


def error_from_rpc(error: grpc.aio.AioRpcError, target: str) -> errors.WhitebgError:
    """Turn a failed call into an error with a remedy. ``target`` is the address that was called."""
    return _error(error.code(), error.details() or "", _read_details(error), target)


def error_of_submission(error: pb.SubmitTaskError, target: str) -> errors.WhitebgError:
    """Turn the error of one of many submissions into the one that a call of its own would have raised."""
    violations = [errors.FieldViolation(error.field, error.message)] if error.field else []
    retry_after = error.retry_after.ToTimedelta().total_seconds() if error.HasField("retry_after") else None
    details = _Details(error.reason, dict(error.metadata), violations, retry_after)
    return _error(_CODES.get(error.code, grpc.StatusCode.UNKNOWN), error.message, details, target)


def _error(code: grpc.StatusCode, message: str, details: _Details, target: str) -> errors.WhitebgError:
    message = message or code.name.replace("_", " ").lower()
    reason, metadata = details.reason, details.metadata
    transport = code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN} and not reason
    if transport and any(sign in message for sign in _BROKEN_TRANSPORT):
        code = grpc.StatusCode.UNAVAILABLE
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
        # A cancellation of our own never comes as an error: grpc.aio raises CancelledError for it.
        if not reason:  # With one the service has answered: its disk is full, or its image store is unavailable.
            message = f"the service at {target} can't be reached or is shutting down ({message}); is it running?"
        return errors.ServiceUnavailable(message, details.retry_after, reason=reason, metadata=metadata)
    if reason == "CURSOR_GAP":
        return errors.CursorGap(message, reason=reason, metadata=metadata)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if reason == "QUOTA_EXCEEDED":
            return errors.QuotaExceeded(message, details.retry_after or 1.0, reason=reason, metadata=metadata)
        return errors.Overloaded(message, reason=reason, metadata=metadata)
    if code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE}:
        return errors.InvalidRequest(message, tuple(details.violations), reason=reason, metadata=metadata)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        message = f"the service at {target} did not answer in time ({message}); check the address, or allow more time"
    if code in _SIMPLE:
        return _SIMPLE[code](message, reason=reason, metadata=metadata)
    return errors.ServiceError(f"{code.name}: {message}", reason=reason, metadata=metadata)
