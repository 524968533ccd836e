"""Errors of the service, read from gRPC's rich error details."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

# A CANCELLED that this side did not cause comes from a server that is full or going away.
_AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED})
_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Violation:
    """A field of the request that can't be used, and why."""

    field: str
    description: str


@dataclass(slots=True)
class ServiceError(Exception):
    """A call to the service failed."""

    status: grpc.StatusCode
    message: str
    """For a person: the problem and its remedy."""
    reason: str = ""
    """Stable name, such as ``IMAGE_TOO_LARGE``; empty if the service gave none."""
    retry_after: float | None = None
    """Seconds to wait before trying again; None if the service gave no hint."""
    violations: tuple[Violation, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status.name}{f' ({self.reason})' if self.reason else ''}: {self.message}"

    @property
    def away(self) -> bool:
        """Whether the service is not there, so that the same call may succeed later."""
        return self.status in _AWAY

    @classmethod
    def from_rpc(cls, error: grpc.aio.AioRpcError) -> ServiceError:
        """Read a failed call with all its details."""
        result = cls(error.code(), error.details() or "the service gave no reason")
        for detail in _details(error):
            info, bad, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            if detail.Unpack(info):
                result.reason, result.metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                result.violations = tuple(Violation(each.field, each.description) for each in bad.field_violations)
            elif detail.Unpack(retry):
                result.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        return result


def _details(error: grpc.aio.AioRpcError) -> list[any_pb2.Any]:
    for key, value in error.trailing_metadata():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                # Something on the way mangled them; the status and its message still stand.
                return []
    return []
