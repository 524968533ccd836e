"""The generator service as the gateway sees it: typed calls with deadlines, a fresh token and readable errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import grpc

from protos.whitebg.v1 import generator_service_pb2 as pb
from protos.whitebg.v1 import task_pb2
from ws_gateway import request_id
from ws_gateway.auth import MintedToken, Tokens
from ws_gateway.clock import Clock
from ws_gateway.connection import Connection
from ws_gateway.cursor import UserCursor
from ws_gateway.errors import ServiceError

if TYPE_CHECKING:
    from protos.whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub  # exists in the stubs only

T = TypeVar("T")
Request = TypeVar("Request")

_TOKEN_TTL = timedelta(minutes=15)
_TOKEN_RENEWAL = timedelta(minutes=5)
_DOWNLOAD_TIMEOUT_S = 300.0


class ServiceClient:
    """Calls the service on behalf of users. Make it inside a running event loop; `close` it at the end.

    Every method raises `ServiceError` if the call fails.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        tokens: Tokens,
        clock: Clock,
        call_timeout: timedelta,
    ) -> None:
        self._connection = connection
        self._tokens = tokens
        self._clock = clock
        self._timeout = call_timeout.total_seconds()
        self._token: MintedToken | None = None

    async def close(self) -> None:
        """End all calls and the connection."""
        await self._connection.close()

    async def submit(self, request: pb.SubmitTaskRequest) -> pb.SubmitTaskResponse:
        """Queue a photo."""
        return await _call(self._stub.SubmitTask(request, timeout=self._timeout, metadata=self._metadata()))

    async def get(self, user_id: str, task_id: int) -> task_pb2.Task:
        """Return one task of a user."""
        request = pb.GetTaskRequest(user_id=user_id, task_id=task_id)
        response = await _call(self._stub.GetTask(request, timeout=self._timeout, metadata=self._metadata()))
        return response.task

    async def list_tasks(
        self, user_id: str, *, skip: int, limit: int, states: Sequence[task_pb2.TaskState.ValueType]
    ) -> pb.ListTasksResponse:
        """Return a page of a user's tasks, newest first; no states means all."""
        request = pb.ListTasksRequest(user_id=user_id, skip=skip, page_size=limit, states=states)
        return await _call(self._stub.ListTasks(request, timeout=self._timeout, metadata=self._metadata()))

    async def cancel(self, user_id: str, task_id: int) -> task_pb2.Task:
        """Cancel a task of a user."""
        request = pb.CancelTaskRequest(user_id=user_id, task_id=task_id)
        response = await _call(self._stub.CancelTask(request, timeout=self._timeout, metadata=self._metadata()))
        return response.task

    async def list_events(self, user_id: str, *, after: str, page_size: int) -> pb.ListEventsResponse:
        """Return a page of a user's events; an empty ``after`` begins with the oldest kept."""
        request = pb.ListEventsRequest(user_id=user_id, after=after, page_size=page_size)
        return await _call(self._stub.ListEvents(request, timeout=self._timeout, metadata=self._metadata()))

    async def list_presets(self) -> Sequence[pb.Preset]:
        """Return the marketplace presets."""
        request = pb.ListPresetsRequest()
        response = await _call(self._stub.ListPresets(request, timeout=self._timeout, metadata=self._metadata()))
        return response.presets

    async def queue_stats(self) -> pb.GetQueueStatsResponse:
        """Return the state of queue, log and watchers."""
        request = pb.GetQueueStatsRequest()
        return await _call(self._stub.GetQueueStats(request, timeout=self._timeout, metadata=self._metadata()))

    def history(
        self, user_id: str, after: UserCursor | None, *, snapshot: bool = False
    ) -> AsyncGenerator[pb.WatchTasksResponse]:
        """Stream what a user missed, or the tasks as they stand where that can't be told; ends at the head."""
        request = pb.WatchTasksRequest(
            user_id=user_id,
            after="" if after is None else str(after),
            on_gap=pb.ON_GAP_SNAPSHOT,
            snapshot=snapshot,
            stop_at_head=True,
        )
        return _stream(self._stub.WatchTasks(request, timeout=self._timeout, metadata=self._metadata()))

    def watch_all(self, after: str) -> AsyncGenerator[pb.WatchTasksResponse]:
        """Stream what happens to everybody's tasks, for ever; OUT_OF_RANGE if ``after`` can't be resumed."""
        request = pb.WatchTasksRequest(all_users=True, after=after, on_gap=pb.ON_GAP_FAIL)
        return _stream(self._stub.WatchTasks(request, metadata=self._metadata()))

    def download(
        self, user_id: str, task_id: int, kind: pb.ImageKind.ValueType, *, offset: int = 0, length: int = 0
    ) -> AsyncGenerator[pb.DownloadImageResponse]:
        """Stream an image, or ``length`` bytes of it from ``offset``; the first message carries its description."""
        request = pb.DownloadImageRequest(task_id=task_id, user_id=user_id, kind=kind, offset=offset, length=length)
        return _stream(self._stub.DownloadImage(request, timeout=_DOWNLOAD_TIMEOUT_S, metadata=self._metadata()))

    async def describe(
        self,
        user_id: str,
        task_id: int,
        kind: pb.ImageKind.ValueType,
        *,
        url_lifetime: timedelta | None = None,
        attachment: bool = False,
    ) -> pb.ImageInfo | None:
        """Return what an image is, and with a lifetime an address of it, if there is one; None if nothing is said."""
        # Its first byte comes along, for there is no smaller question.
        request = pb.DownloadImageRequest(task_id=task_id, user_id=user_id, kind=kind, length=1)
        if url_lifetime is not None:
            request.url_lifetime.FromTimedelta(url_lifetime)
            request.url_attachment = attachment
        call = self._stub.DownloadImage(request, timeout=self._timeout, metadata=self._metadata())
        async with aclosing(_stream(call)) as messages:
            async for message in messages:
                if message.HasField("info"):
                    return message.info
        return None

    @property
    def _stub(self) -> GeneratorServiceAsyncStub:
        return self._connection.stub

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        if self._token is None or self._token.expires_at - self._clock.now() < _TOKEN_RENEWAL:
            self._token = self._tokens.mint_service(_TOKEN_TTL)
        bearer = ("authorization", f"Bearer {self._token.token}")
        request = request_id.current.get()
        return (bearer, ("x-request-id", request)) if request else (bearer,)


async def _call(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise ServiceError.from_rpc(error) from error


async def _stream(call: grpc.aio.UnaryStreamCall[Request, T]) -> AsyncGenerator[T]:
    """Yield the responses; whoever stops early ends the call."""
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        raise ServiceError.from_rpc(error) from error
    finally:
        call.cancel()
