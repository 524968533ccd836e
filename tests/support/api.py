"""Calls to a real service through the generated stubs, and parsing of its errors."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import grpc
import jwt
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from tests.support.patience import PATIENCE
from tests.support.photos import cut_out
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub

SECRET = secrets.token_hex(32)
if TYPE_CHECKING:
    # Exists in the stubs only: at run time one class serves both kinds of channel.
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub

MAX_MESSAGE = ("grpc.max_send_message_length", 64 * 1024 * 1024)

TINY = cut_out(64, 48)
QUICK = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)
"""With `TINY`, takes a few milliseconds."""

TERMINAL = {
    event_pb2.EVENT_TYPE_COMPLETED,
    event_pb2.EVENT_TYPE_FAILED,
    event_pb2.EVENT_TYPE_TIMED_OUT,
    event_pb2.EVENT_TYPE_CANCELLED,
}


def claims(user: str, **others: Any) -> dict[str, Any]:
    """Return the claims of a valid token; None leaves one out."""
    expires = datetime.now(UTC) + timedelta(minutes=10)
    named = {"sub": user, "aud": "whitebg", "exp": expires, "scope": "tasks"} | others
    return {name: value for name, value in named.items() if value is not None}


def token(user: str, *, secret: str = SECRET, **others: Any) -> str:
    encoded: str = jwt.encode(claims(user, **others), secret, algorithm="HS256")
    return encoded


def long_token(user: str, **others: Any) -> str:
    """Return a token that outlives any run."""
    return token(user, exp=datetime.now(UTC) + timedelta(days=1), **others)


@dataclass
class Watch:
    """An open WatchTasks stream, and all items received so far."""

    call: aio.UnaryStreamCall[pb.WatchTasksRequest, pb.WatchTasksResponse]
    items: list[pb.WatchItem] = field(default_factory=list)
    cursor: str = ""

    @property
    def events(self) -> list[event_pb2.TaskEvent]:
        return [item.event for item in self.items if item.HasField("event")]

    async def next(self) -> list[pb.WatchItem]:
        """Return the items of the next response; none at the end of the stream."""
        response = await self.call.read()
        if not isinstance(response, pb.WatchTasksResponse):
            return []
        self.items += response.items
        self.cursor = response.cursor or self.cursor
        return list(response.items)

    async def until(self, enough: Callable[[pb.WatchItem], bool]) -> pb.WatchItem:
        """Return the first matching item of those to come."""
        async with asyncio.timeout(PATIENCE):
            while True:
                items = await self.next()
                assert items, "the stream ended before the expected item"
                for item in items:
                    if enough(item):
                        return item

    async def until_event(self, kind: event_pb2.EventType.ValueType, task_id: int = 0) -> event_pb2.TaskEvent:
        """Return the first event of this type (and task), received already or later."""

        def fits(item: pb.WatchItem) -> bool:
            return item.event.type == kind and task_id in {0, item.event.task.task_id}

        for item in self.items:
            if fits(item):
                return item.event
        return (await self.until(fits)).event

    async def until_ended(self, *task_ids: int) -> None:
        """Return when each of these tasks has had its terminal event."""
        async with asyncio.timeout(PATIENCE):
            while not {event.task.task_id for event in self.events if event.type in TERMINAL}.issuperset(task_ids):
                assert await self.next(), "the stream ended before the tasks"

    async def rest(self) -> None:
        """Read to the end of the stream."""
        async with asyncio.timeout(PATIENCE):
            while await self.next():
                continue


def submit_request(image: bytes | None = TINY, **fields: Any) -> pb.SubmitTaskRequest:
    """Return a request for a quick picture."""
    return pb.SubmitTaskRequest(**{"options": QUICK} | ({} if image is None else {"image": image}) | fields)


class Api:
    """One caller of the service."""

    def __init__(self, channel: aio.Channel, user: str, bearer: str) -> None:
        self.user = user
        self.channel = channel
        self.stub: GeneratorServiceAsyncStub = GeneratorServiceStub(channel)
        self.metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {bearer}"),)

    async def submit(self, image: bytes | None = TINY, **fields: Any) -> task_pb2.Task:
        return (await self.submission(image, **fields)).task

    async def submission(self, image: bytes | None = TINY, **fields: Any) -> pb.SubmitTaskResponse:
        request = submit_request(image, **fields)
        return await self.stub.SubmitTask(request, metadata=self.metadata, timeout=PATIENCE, wait_for_ready=True)

    async def submit_many(self, *requests: pb.SubmitTaskRequest) -> list[pb.SubmitTaskResult]:
        request = pb.SubmitTasksRequest(requests=requests)
        answer = await self.stub.SubmitTasks(request, metadata=self.metadata, timeout=PATIENCE, wait_for_ready=True)
        return list(answer.results)

    async def get(self, task_id: int, **fields: Any) -> task_pb2.Task:
        request = pb.GetTaskRequest(task_id=task_id, **fields)
        return (await self.stub.GetTask(request, metadata=self.metadata, timeout=PATIENCE)).task

    async def list_tasks(self, **fields: Any) -> pb.ListTasksResponse:
        return await self.stub.ListTasks(pb.ListTasksRequest(**fields), metadata=self.metadata, timeout=PATIENCE)

    async def cancel(self, task_id: int, **fields: Any) -> task_pb2.Task:
        request = pb.CancelTaskRequest(task_id=task_id, **fields)
        return (await self.stub.CancelTask(request, metadata=self.metadata, timeout=PATIENCE)).task

    async def delete(self, **fields: Any) -> pb.DeleteTasksResponse:
        return await self.stub.DeleteTasks(pb.DeleteTasksRequest(**fields), metadata=self.metadata, timeout=PATIENCE)

    async def review(self, task_ids: Sequence[int], review: task_pb2.Review.ValueType) -> pb.ReviewTasksResponse:
        request = pb.ReviewTasksRequest(task_ids=task_ids, review=review)
        return await self.stub.ReviewTasks(request, metadata=self.metadata, timeout=PATIENCE)

    async def events(self, **fields: Any) -> pb.ListEventsResponse:
        return await self.stub.ListEvents(pb.ListEventsRequest(**fields), metadata=self.metadata, timeout=PATIENCE)

    async def engines(self) -> pb.ListEnginesResponse:
        return await self.stub.ListEngines(pb.ListEnginesRequest(), metadata=self.metadata, timeout=PATIENCE)

    async def presets(self) -> pb.ListPresetsResponse:
        return await self.stub.ListPresets(pb.ListPresetsRequest(), metadata=self.metadata, timeout=PATIENCE)

    async def stats(self) -> pb.GetQueueStatsResponse:
        return await self.stub.GetQueueStats(pb.GetQueueStatsRequest(), metadata=self.metadata, timeout=PATIENCE)

    async def revoke(self, **which: Any) -> pb.Revocation:
        request = pb.RevokeSessionRequest(**which)
        return (await self.stub.RevokeSession(request, metadata=self.metadata, timeout=PATIENCE)).revocation

    async def revocations(self, **fields: Any) -> pb.ListRevocationsResponse:
        request = pb.ListRevocationsRequest(**fields)
        return await self.stub.ListRevocations(request, metadata=self.metadata, timeout=PATIENCE)

    async def download(self, task_id: int, kind: pb.ImageKind.ValueType, **fields: Any) -> tuple[pb.ImageInfo, bytes]:
        """Return the metadata of an image, and its bytes. Only the first message may carry the metadata."""
        request = pb.DownloadImageRequest(task_id=task_id, kind=kind, **fields)
        messages = [
            message async for message in self.stub.DownloadImage(request, metadata=self.metadata, timeout=PATIENCE)
        ]
        assert [message.HasField("info") for message in messages] == [True] + [False] * (len(messages) - 1)
        assert all(len(message.chunk) <= 64 * 1024 for message in messages)
        return messages[0].info, b"".join(message.chunk for message in messages)

    async def image(self, task_id: int, kind: pb.ImageKind.ValueType) -> pb.ImageInfo:
        request = pb.GetImageRequest(task_id=task_id, kind=kind)
        return (await self.stub.GetImage(request, metadata=self.metadata, timeout=PATIENCE)).image

    async def image_url(self, task_id: int, kind: pb.ImageKind.ValueType, **fields: Any) -> pb.CreateImageUrlResponse:
        request = pb.CreateImageUrlRequest(task_id=task_id, kind=kind, **fields)
        return await self.stub.CreateImageUrl(request, metadata=self.metadata, timeout=PATIENCE)

    @asynccontextmanager
    async def watch(self, *, settled: bool = True, wait_for_ready: bool = False, **fields: Any) -> AsyncIterator[Watch]:
        """Open a watch; with ``settled``, return once all existing tasks were received and the stream is live."""
        request = pb.WatchTasksRequest(**fields)
        watch = Watch(self.stub.WatchTasks(request, metadata=self.metadata, wait_for_ready=wait_for_ready))
        try:
            if settled:
                await watch.until(lambda item: item.bookmark.caught_up)
            yield watch
        finally:
            watch.call.cancel()

    async def finished(self, *task_ids: int) -> list[task_pb2.Task]:
        """Wait until the tasks have ended; return them."""
        async with self.watch(snapshot=True, task_ids=task_ids) as watch:
            shown = [item.snapshot_task for item in watch.items if item.HasField("snapshot_task")]
            ended = {task.task_id for task in shown if task.HasField("finished_at")}
            await watch.until_ended(*set(task_ids) - ended)
        return [await self.get(task_id) for task_id in task_ids]


@asynccontextmanager
async def open_channel(target: str, credentials: grpc.ChannelCredentials | None = None) -> AsyncIterator[aio.Channel]:
    """Connect, in plain text unless there are credentials.

    Messages above the service's limit can be sent, so that the service itself rejects them.
    """
    options = [MAX_MESSAGE]
    async with (
        aio.insecure_channel(target, options=options)
        if credentials is None
        else aio.secure_channel(target, credentials, options=options)
    ) as channel:
        yield channel


@dataclass(frozen=True)
class Refusal:
    """An error of the service with its details unpacked."""

    code: grpc.StatusCode
    message: str
    info: error_details_pb2.ErrorInfo
    bad_request: error_details_pb2.BadRequest
    retry: error_details_pb2.RetryInfo
    quota: error_details_pb2.QuotaFailure

    @property
    def reason(self) -> str:
        return str(self.info.reason)

    @property
    def fields(self) -> list[str]:
        """The invalid fields of the request."""
        return [violation.field for violation in self.bad_request.field_violations]


async def refusal(call: Awaitable[object]) -> Refusal:
    """Make a call that the service itself must reject, with details."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return read_refusal(caught.value)


def read_refusal(error: aio.AioRpcError) -> Refusal:
    """Unpack the details of an error; check that it has a reason and a message."""
    found = Refusal(
        error.code(),
        error.details() or "",
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.QuotaFailure(),
    )
    status = status_pb2.Status.FromString(next(_trailers(error, "grpc-status-details-bin"), b""))
    for detail in status.details:
        for kind in (found.info, found.bad_request, found.retry, found.quota):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
    assert found.info.domain == "whitebg", f"{error.code()} without ErrorInfo: {error.details()}"
    assert (status.message, status.code) == (found.message, found.code.value[0])
    return found


def _trailers(error: aio.AioRpcError, name: str) -> Iterator[bytes]:
    for key, value in cast("list[tuple[str, bytes]]", error.trailing_metadata() or []):
        if key == name:
            yield value
