"""Every error that may reach a caller has a code, a reason and the details needed to act on it."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.domain import errors
from generator_service.domain.errors import GapReason, WhitebgError
from generator_service.engines.inspector import InspectorUnavailable
from generator_service.rpc.convert.status import problem
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.unavailable import Reason
from generator_service.store.writer import StoreBusy, StoreClosed
from generator_service.worker.attempt_errors import MustWait

C = grpc.StatusCode
EXPECTED: list[tuple[Exception, grpc.StatusCode, str]] = [
    (errors.InvalidRequest("skip", "is too much"), C.INVALID_ARGUMENT, "INVALID_REQUEST"),
    (errors.BadCursor("x", "is not a cursor"), C.INVALID_ARGUMENT, "INVALID_REQUEST"),
    (errors.ImageRejected("image_too_large", "is too large"), C.INVALID_ARGUMENT, "IMAGE_TOO_LARGE"),
    (errors.TaskNotFound(7), C.NOT_FOUND, "TASK_NOT_FOUND"),
    (errors.BatchNotFound("b"), C.NOT_FOUND, "BATCH_NOT_FOUND"),
    (errors.BatchClosed("b"), C.FAILED_PRECONDITION, "BATCH_CLOSED"),
    (errors.ApiKeyNotFound("k"), C.NOT_FOUND, "API_KEY_NOT_FOUND"),
    (errors.WebhookNotFound("w"), C.NOT_FOUND, "WEBHOOK_NOT_FOUND"),
    (errors.ImageNotFound(7, "result", "not yet"), C.NOT_FOUND, "IMAGE_NOT_FOUND"),
    (errors.OffsetOutOfRange(9, 5), C.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE"),
    (errors.IdempotencyConflict("k", 7), C.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT"),
    (errors.QuotaExceeded("ann", 5, timedelta(seconds=9)), C.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
    (errors.StorageQuotaExceeded("ann", 9, 5), C.RESOURCE_EXHAUSTED, "STORAGE_QUOTA_EXCEEDED"),
    (errors.DiskFull("/data", 5, 9), C.UNAVAILABLE, "DISK_FULL"),
    (errors.Overloaded(1000), C.UNAVAILABLE, "OVERLOADED"),
    (errors.TooManyStreams(200), C.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"),
    (errors.RequestIncomplete(60), C.DEADLINE_EXCEEDED, "REQUEST_INCOMPLETE"),
    (InspectorUnavailable("later"), C.UNAVAILABLE, "UNAVAILABLE"),
    (errors.InvalidTransition(7, "failed", "cancelled"), C.FAILED_PRECONDITION, "INVALID_TRANSITION"),
    (
        errors.CursorGap(GapReason.CURSOR_TOO_OLD, cursor="e:1", oldest="e:3", head="e:6", epoch="e"),
        C.OUT_OF_RANGE,
        "CURSOR_GAP",
    ),
    (errors.SlowConsumer(5), C.RESOURCE_EXHAUSTED, "SLOW_CONSUMER"),
    (errors.SlowSnapshot(), C.RESOURCE_EXHAUSTED, "SLOW_CONSUMER"),
    (errors.ShuttingDown(), C.UNAVAILABLE, "SHUTTING_DOWN"),
    (errors.Unauthenticated("who?"), C.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (errors.SessionExpired(), C.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (errors.SessionRevoked(), C.UNAUTHENTICATED, "SESSION_REVOKED"),
    (errors.PermissionDenied("no"), C.PERMISSION_DENIED, "PERMISSION_DENIED"),
    (BlobStoreUnavailable("bucket images at https://store can't be used: SlowDown"), C.UNAVAILABLE, "UNAVAILABLE"),
    (DatabaseUnavailable(), C.UNAVAILABLE, "DATABASE_UNREACHABLE"),
    (DatabaseUnavailable(reason=Reason.DISK_FULL), C.UNAVAILABLE, "DATABASE_DISK_FULL"),
    (StoreBusy("busy"), C.UNAVAILABLE, "UNAVAILABLE"),
    (StoreClosed("closed"), C.UNAVAILABLE, "UNAVAILABLE"),
]
BETWEEN_STORE_AND_WORKER = {errors.LeaseLost, errors.EngineError, errors.EngineUnavailable, MustWait}
"""Errors that never reach a caller; one that does is a bug and is reported as INTERNAL."""

DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RetryInfo,
)


def details(error: Exception) -> dict[type[Message], Message]:
    """Return the details sent to a caller, by type."""
    found = problem(error)
    assert found is not None
    trailing = dict(found.status().trailing_metadata or ())
    sent = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (sent.code, sent.message) == (found.code.value[0], str(error))
    unpacked: dict[type[Message], Message] = {}
    for packed in sent.details:
        (kind,) = (kind for kind in DETAILS if packed.Is(kind.DESCRIPTOR))
        unpacked[kind] = kind()
        packed.Unpack(unpacked[kind])
    return unpacked


@pytest.mark.parametrize(("error", "code", "reason"), EXPECTED, ids=lambda value: type(value).__name__)
def test_an_error_has_its_code_and_reason(error: Exception, code: grpc.StatusCode, reason: str) -> None:
    found = problem(error)
    assert found is not None
    assert found.code is code
    info = details(error)[error_details_pb2.ErrorInfo]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (reason, "whitebg")


def all_subclasses(base: type[Exception]) -> set[type[Exception]]:
    """Return all subclasses, at any depth."""
    direct = set(base.__subclasses__())
    return direct.union(*(all_subclasses(each) for each in direct))


def test_no_error_is_left_out() -> None:
    assert {type(error) for error, _, _ in EXPECTED} - {
        BlobStoreUnavailable,
        InspectorUnavailable,
        DatabaseUnavailable,
        StoreBusy,
        StoreClosed,
    } == (all_subclasses(WhitebgError) - BETWEEN_STORE_AND_WORKER)


@pytest.mark.parametrize(
    "error", [errors.LeaseLost(1, 1), errors.EngineError("c", "m", retryable=True), ValueError("x"), KeyError("y")]
)
def test_what_nobody_foresaw_is_not_explained_to_callers(error: Exception) -> None:
    assert problem(error) is None


def test_a_bad_field_is_named() -> None:
    for error, field in ((errors.BadCursor("x", "is bad"), "after"), (errors.ImageRejected("empty", "is"), "image")):
        violations = details(error)[error_details_pb2.BadRequest]
        assert isinstance(violations, error_details_pb2.BadRequest)
        assert [violation.field for violation in violations.field_violations] == [field]


def test_a_gap_says_where_the_log_can_be_taken_up() -> None:
    gap = errors.CursorGap(GapReason.CURSOR_TOO_OLD, cursor="e:1", oldest="e:3", head="e:6", epoch="e")
    info = details(gap)[error_details_pb2.ErrorInfo]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"reason": "cursor_too_old", "oldest": "e:3", "head": "e:6", "epoch": "e"}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.QuotaExceeded("ann", 5, timedelta(seconds=9)), 9),
        (errors.SlowConsumer(5), 1),
        (errors.SlowSnapshot(), 1),
        (errors.ShuttingDown(), 1),
        (StoreBusy("busy"), 1),
        (DatabaseUnavailable(reason=Reason.LOCKED), 1),
        (DatabaseUnavailable(reason=Reason.DISK_FULL), 30),
    ],
)
def test_what_may_be_tried_again_says_when(error: Exception, seconds: int) -> None:
    retry = details(error)[error_details_pb2.RetryInfo]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=seconds)
    assert error_details_pb2.RetryInfo not in details(errors.TaskNotFound(1))


def test_a_quota_names_its_subject() -> None:
    quota = details(errors.QuotaExceeded("ann", 5, timedelta(seconds=9)))[error_details_pb2.QuotaFailure]
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    assert [violation.subject for violation in quota.violations] == ["user:ann"]


def test_full_storage_is_not_to_be_retried_within_seconds() -> None:
    retry = details(errors.StorageQuotaExceeded("ann", 6, 5))[error_details_pb2.RetryInfo]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() >= timedelta(minutes=5)
