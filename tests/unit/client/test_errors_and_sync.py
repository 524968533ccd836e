"""Mapping of gRPC statuses to errors, and a blocking counterpart for every asynchronous method."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator
from pathlib import Path
from typing import assert_type

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

import whitebg
from whitebg import AsyncClient, Client, errors, models
from whitebg.convert.options import options_from_proto, options_to_proto
from whitebg.convert.results import image_info_from_proto
from whitebg.convert.tasks import task_from_proto
from whitebg.status import error_from_rpc
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.wire import Wire
from whitebg_process.backoff import Backoff


def _failure(code: grpc.StatusCode, message: str, *details: Message, raw: bytes | None = None) -> errors.WhitebgError:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    trailer = grpc.aio.Metadata(("grpc-status-details-bin", raw or status.SerializeToString()))
    return error_from_rpc(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailer, details=message), "far:1")


async def test_a_last_try_without_an_answer_does_not_hide_why_the_one_before_failed() -> None:
    outcomes = iter([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])

    async def call(_request: object, **_options: object) -> object:
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(next(outcomes), nothing, nothing, details="refused")

    wire = Wire("far:1", "token", tls=False, timeout=60, backoff=Backoff(base=0.0, cap=0.0))
    with pytest.raises(errors.ServiceUnavailable, match="refused"):
        await wire.call(call, pb.GetTaskRequest())  # type: ignore[arg-type]
    assert next(outcomes, None) is None


def _info(reason: str, /, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="whitebg", metadata=metadata)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "refused", errors.ServiceUnavailable),
        (grpc.StatusCode.CANCELLED, "stream lost", errors.ServiceUnavailable),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", errors.ServiceUnavailable),
        (grpc.StatusCode.INTERNAL, "a bug", errors.ServiceError),
        (grpc.StatusCode.UNAUTHENTICATED, "expired", errors.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, "no", errors.PermissionDenied),
        (grpc.StatusCode.NOT_FOUND, "no", errors.NotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too slow", errors.Overloaded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "late", errors.DeadlineExceeded),
        (grpc.StatusCode.OUT_OF_RANGE, "past the end", errors.InvalidRequest),
    ],
)
def test_each_status_is_its_own_error(code: grpc.StatusCode, message: str, kind: type[errors.WhitebgError]) -> None:
    failure = _failure(code, message)
    assert type(failure) is kind
    assert message in str(failure)


def test_a_gap_names_what_can_be_read() -> None:
    info = _info("CURSOR_GAP", reason="cursor_too_old", oldest="e:5", head="e:9", epoch="e")
    gap = _failure(grpc.StatusCode.OUT_OF_RANGE, "gap", info)
    assert isinstance(gap, errors.CursorGap)
    assert (gap.why, gap.oldest, gap.head, gap.epoch) == ("cursor_too_old", "e:5", "e:9", "e")


def test_a_full_quota_says_when_to_try_again() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    quota = _failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", _info("QUOTA_EXCEEDED"), retry)
    assert isinstance(quota, errors.QuotaExceeded)
    assert (quota.retry_after, quota.reason) == (1.5, "QUOTA_EXCEEDED")


def test_a_service_that_answers_is_not_reported_as_unreachable() -> None:
    full = "less than 1024 MiB are free; delete something"
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(60)
    failure = _failure(grpc.StatusCode.UNAVAILABLE, full, _info("DISK_FULL"), retry)
    assert isinstance(failure, errors.ServiceUnavailable)
    assert (failure.message, failure.reason, failure.retry_after) == (full, "DISK_FULL", 60)


def test_details_that_make_no_sense_do_not_hide_the_status() -> None:
    assert isinstance(_failure(grpc.StatusCode.NOT_FOUND, "no", raw=b"\xff\xff"), errors.NotFound)


def test_values_from_the_future_are_unknown_and_file_names_lose_their_folders() -> None:
    task = task_from_proto(task_pb2.Task(task_id=1, state=99))  # type: ignore[arg-type]  # a newer service's
    assert task.state is models.TaskState.UNKNOWN
    assert not task.state.terminal
    names = [image_info_from_proto(pb.ImageInfo(filename=name)).filename for name in ("../x/a.png", "..", "a\\b")]
    assert names == ["a.png", "image", "b"]


def test_options_go_there_and_back() -> None:
    options = models.TaskOptions(
        engine=models.Engine.LOCAL,
        preset="amazon",
        format=models.OutputFormat.JPEG,
        size_px=2000,
        fill=0.9,
        background="#FEFEFE",
        prompt="soft light",
    )
    assert options_from_proto(options_to_proto(options)) == options
    with pytest.raises(ValueError, match="can't be asked for; use one of auto, local"):
        options_to_proto(models.TaskOptions(engine=models.Engine.UNKNOWN))


def test_every_async_method_has_its_blocking_face() -> None:
    public = {
        name: method
        for name, method in inspect.getmembers(AsyncClient, callable)
        if not name.startswith("_") and name != "close"
    }
    assert len(public) >= 12
    for name, method in public.items():
        face = getattr(Client, name)
        assert face.__doc__ == method.__doc__
        assert inspect.signature(face).parameters.keys() == inspect.signature(method).parameters.keys()


def types_are_carried_over(client: Client) -> None:
    """Check the types of the adapters; only mypy runs this."""
    assert_type(client.submit(Path("a.png"), priority=1), models.Task)
    assert_type(client.watch(all_users=True), Generator[models.WatchUpdate])
    assert_type(client.read_image(1), models.Image)
    assert_type(client.download(1, "a.png"), Path)
    assert_type(client.download(1, Path("a.png")), Path)
    assert_type(client.download(1, sys.stdout.buffer), None)
    client.get("1")  # type: ignore[arg-type]  # refused, as it must be


def test_old_names_of_the_clients_still_work() -> None:
    assert whitebg.GeneratorClient is AsyncClient
    assert whitebg.SyncGeneratorClient is Client
