"""The generator service as the gateway sees it: typed calls with deadlines, a fresh token and readable errors."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import grpc
from grpc_health.v1 import health_pb2

from whitebg.v1 import admin_service_pb2 as admin_pb
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2, usage_pb2
from ws_gateway.auth.api_key_cache import KeyHolder
from ws_gateway.auth.jwt import MintedToken, Tokens
from ws_gateway.clock import Clock
from ws_gateway.protocol.cursor import UserCursor
from ws_gateway.telemetry import request_id
from ws_gateway.upstream.channel import Connection
from ws_gateway.upstream.errors import ServiceError
from ws_gateway.upstream.submission import encoded

if TYPE_CHECKING:
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub  # exists in the stubs only

log = logging.getLogger(__name__)

T = TypeVar("T")
Request = TypeVar("Request")

_TOKEN_TTL = timedelta(minutes=15)
_TOKEN_RENEWAL = timedelta(minutes=5)
"""Age at which the gateway's own token is replaced: early, so that it outlives a clock that is off by minutes."""
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
        self._renew_at = 0.0

    async def close(self) -> None:
        """End all calls and the connection."""
        await self._connection.close()

    async def submit(
        self, request: pb.SubmitTaskRequest, *, image: BinaryIO | None = None, mask: BinaryIO | None = None
    ) -> pb.SubmitTaskResponse:
        """Queue a photo. A request without an idempotency key gets one, so that the call can be retried.

        The files are the photo and the mask, read here so that memory holds them once.
        """
        if not request.idempotency_key:
            request.idempotency_key = f"gateway-{secrets.token_urlsafe(16)}"
        message = await asyncio.to_thread(encoded, request, image, mask)
        return await self._call(self._connection.submit_encoded, message)

    async def exchange_api_key(self, key: str) -> KeyHolder:
        """Return whom an API key identifies."""
        found = await self._call(self._connection.admin.ExchangeApiKey, admin_pb.ExchangeApiKeyRequest(key=key))
        return KeyHolder(
            user_id=found.user_id,
            scopes=frozenset(found.scopes),
            session_id=found.session_id,
            expires_at=found.expires_at.ToDatetime(UTC) if found.HasField("expires_at") else None,
            problem=found.problem,
        )

    async def get(self, user_id: str, task_id: int) -> task_pb2.Task:
        """Return one task of a user."""
        request = pb.GetTaskRequest(user_id=user_id, task_id=task_id)
        response = await self._call(self._stub.GetTask, request)
        return response.task

    async def list_tasks(
        self,
        user_id: str,
        *,
        skip: int,
        limit: int,
        states: Sequence[task_pb2.TaskState.ValueType],
        page_token: str = "",
        batch_id: str = "",
        review: task_pb2.Review.ValueType = task_pb2.REVIEW_UNSPECIFIED,
    ) -> pb.ListTasksResponse:
        """Return a page of a user's tasks, newest first; no states means all.

        The service's own pages may hold fewer, as their bytes are bounded: they are put together here.
        """
        request = pb.ListTasksRequest(user_id=user_id, states=states, batch_id=batch_id, review=review)
        request.skip, request.page_size, request.page_token = skip, limit, page_token
        page = await self._call(self._stub.ListTasks, request)
        request.skip = 0
        while page.next_page_token and (missing := limit - len(page.tasks)) > 0:
            request.page_token, request.page_size = page.next_page_token, missing
            following = await self._call(self._stub.ListTasks, request)
            page.tasks.extend(following.tasks)
            page.next_page_token = following.next_page_token
        return page

    async def cancel(self, user_id: str, task_id: int) -> task_pb2.Task:
        """Cancel a task of a user."""
        request = pb.CancelTaskRequest(user_id=user_id, task_id=task_id)
        response = await self._call(self._stub.CancelTask, request)
        return response.task

    async def delete(self, user_id: str, task_ids: Sequence[int]) -> pb.DeleteTasksResponse:
        """Delete tasks of a user."""
        request = pb.DeleteTasksRequest(user_id=user_id, task_ids=task_ids)
        return await self._call(self._stub.DeleteTasks, request)

    async def delete_all(self, user_id: str) -> pb.DeleteTasksResponse:
        """Delete all tasks of a user."""
        return await self._call(self._stub.DeleteTasks, pb.DeleteTasksRequest(user_id=user_id, all=True))

    async def delete_batch(self, user_id: str, batch_id: str) -> pb.DeleteTasksResponse:
        """Delete all tasks of a user's batch."""
        return await self._call(self._stub.DeleteTasks, pb.DeleteTasksRequest(user_id=user_id, batch_id=batch_id))

    async def review(
        self, user_id: str, task_ids: Sequence[int], review: task_pb2.Review.ValueType
    ) -> pb.ReviewTasksResponse:
        """Record a user's decision on the results of tasks."""
        request = pb.ReviewTasksRequest(user_id=user_id, task_ids=task_ids, review=review)
        return await self._call(self._stub.ReviewTasks, request)

    async def usage(self, user_id: str, *, first_day: str, last_day: str) -> Sequence[usage_pb2.DayUsage]:
        """Return what a user used, by day."""
        request = pb.GetUsageRequest(user_id=user_id, first_day=first_day, last_day=last_day)
        response = await self._call(self._stub.GetUsage, request)
        return response.usage

    async def get_batch(self, user_id: str, batch_id: str) -> task_pb2.Batch:
        """Return a batch of a user."""
        request = pb.GetBatchRequest(user_id=user_id, batch_id=batch_id)
        response = await self._call(self._stub.GetBatch, request)
        return response.batch

    async def close_batch(self, user_id: str, batch_id: str) -> task_pb2.Batch:
        """Close a batch of a user."""
        request = pb.CloseBatchRequest(user_id=user_id, batch_id=batch_id)
        response = await self._call(self._stub.CloseBatch, request)
        return response.batch

    async def cancel_batch(self, user_id: str, batch_id: str) -> task_pb2.Batch:
        """Cancel a batch of a user."""
        request = pb.CancelBatchRequest(user_id=user_id, batch_id=batch_id)
        response = await self._call(self._stub.CancelBatch, request)
        return response.batch

    async def list_events(self, user_id: str, *, after: str, page_size: int) -> pb.ListEventsResponse:
        """Return a page of a user's events; an empty ``after`` begins with the oldest kept."""
        request = pb.ListEventsRequest(user_id=user_id, after=after, page_size=page_size)
        return await self._call(self._stub.ListEvents, request)

    async def list_presets(self) -> Sequence[pb.Preset]:
        """Return the marketplace presets."""
        request = pb.ListPresetsRequest()
        response = await self._call(self._stub.ListPresets, request)
        return response.presets

    async def list_engines(self) -> Sequence[pb.EngineInfo]:
        """Return the engines, and which of them the service has."""
        response = await self._call(self._stub.ListEngines, pb.ListEnginesRequest())
        return response.engines

    async def queue_stats(self) -> pb.GetQueueStatsResponse:
        """Return the state of queue, log and watchers."""
        request = pb.GetQueueStatsRequest()
        return await self._call(self._stub.GetQueueStats, request)

    async def revoke(self, *, session_id: str = "", user_id: str = "") -> pb.Revocation:
        """End a session, or all sessions of a user."""
        request = pb.RevokeSessionRequest(session_id=session_id, user_id=user_id)
        response = await self._call(self._stub.RevokeSession, request)
        return response.revocation

    async def list_revocations(self, after: int) -> pb.ListRevocationsResponse:
        """Return a page of the revocations after a number."""
        return await self._call(self._stub.ListRevocations, pb.ListRevocationsRequest(after=after))

    async def not_ready_reasons(self) -> Sequence[pb.NotReadyReason]:
        """Return why the service is not ready; nothing while it is."""
        health = await self._call(self._connection.health.Check, health_pb2.HealthCheckRequest())
        if health.status == health_pb2.HealthCheckResponse.SERVING:
            return ()
        reasons = (await self.queue_stats()).not_ready_reasons
        # It may have become ready, or begun to drain, between the two calls.
        return reasons or [pb.NotReadyReason(code="not_serving", message="the generator service is shutting down")]

    def history(
        self, user_id: str, after: UserCursor | None, *, snapshot: bool = False
    ) -> AsyncGenerator[pb.WatchTasksResponse]:
        """Stream a user's missed events, or the current tasks where these are unavailable; ends at the head."""
        request = pb.WatchTasksRequest(
            user_id=user_id,
            after="" if after is None else str(after),
            on_gap=pb.ON_GAP_SNAPSHOT,
            snapshot=snapshot,
            stop_at_head=True,
        )
        return self._stream(self._stub.WatchTasks, request, self._timeout)

    def watch_all(self, after: str) -> AsyncGenerator[pb.WatchTasksResponse]:
        """Stream the events of all users, without end; OUT_OF_RANGE if ``after`` can't be resumed."""
        request = pb.WatchTasksRequest(all_users=True, after=after, on_gap=pb.ON_GAP_FAIL)
        return self._stream(self._stub.WatchTasks, request)

    def download(
        self, user_id: str, task_id: int, kind: pb.ImageKind.ValueType, *, offset: int = 0, length: int = 0
    ) -> AsyncGenerator[pb.DownloadImageResponse]:
        """Stream an image, or ``length`` bytes of it from ``offset``; the first message carries its description."""
        request = pb.DownloadImageRequest(task_id=task_id, user_id=user_id, kind=kind, offset=offset, length=length)
        return self._stream(self._stub.DownloadImage, request, _DOWNLOAD_TIMEOUT_S)

    async def image(self, user_id: str, task_id: int, kind: pb.ImageKind.ValueType) -> pb.ImageInfo:
        """Return an image's metadata."""
        request = pb.GetImageRequest(task_id=task_id, user_id=user_id, kind=kind)
        return (await self._call(self._stub.GetImage, request)).image

    async def image_url(
        self, user_id: str, task_id: int, kind: pb.ImageKind.ValueType, *, lifetime: timedelta, attachment: bool
    ) -> str:
        """Return a URL for a direct download of an image; empty if there is none."""
        request = pb.CreateImageUrlRequest(task_id=task_id, user_id=user_id, kind=kind, attachment=attachment)
        request.lifetime.FromTimedelta(lifetime)
        return (await self._call(self._stub.CreateImageUrl, request)).url

    @property
    def _stub(self) -> GeneratorServiceAsyncStub:
        return self._connection.stub

    async def _call(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, T], request: Request) -> T:
        for last in (False, True):
            try:
                return await method(request, timeout=self._timeout, metadata=self._metadata())
            except grpc.aio.AioRpcError as error:
                if last or not self._renewed(error):
                    raise ServiceError.from_rpc(error) from error
        raise AssertionError("the second try returns or raises")

    async def _stream(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, T], request: Request, timeout: float | None = None
    ) -> AsyncGenerator[T]:
        """Yield the responses; closing the generator early ends the call."""
        for last in (False, True):
            call = method(request, timeout=timeout, metadata=self._metadata())
            begun = False
            try:
                async for response in call:
                    begun = True
                    yield response
            except grpc.aio.AioRpcError as error:
                if begun or last or not self._renewed(error):
                    raise ServiceError.from_rpc(error) from error
            else:
                return
            finally:
                call.cancel()

    def _renewed(self, error: grpc.aio.AioRpcError) -> bool:
        """Return whether a new token may succeed where a call failed with this error; the next call then has one."""
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            return False
        log.warning("the service rejected the gateway's token, which is renewed: %s", error.details())
        self._token = None
        return True

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        # By the monotonic clock, since the other one may be set: the token's age counts, not its time of day.
        now = self._clock.monotonic()
        if self._token is None or now >= self._renew_at:
            self._token = self._tokens.mint_service(_TOKEN_TTL)
            self._renew_at = now + _TOKEN_RENEWAL.total_seconds()
        bearer = ("authorization", f"Bearer {self._token.token}")
        request = request_id.current.get()
        return (bearer, ("x-request-id", request)) if request else (bearer,)
