"""Calls for operators, each on behalf of one: the service checks the scope again, and logs who changed what."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import TypeVar

import grpc

from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import usage_pb2
from ws_gateway.auth.jwt import Claims, Tokens
from ws_gateway.telemetry import request_id
from ws_gateway.upstream.channel import Connection
from ws_gateway.upstream.errors import ServiceError

T = TypeVar("T")
Request = TypeVar("Request")

_TOKEN_TTL = timedelta(minutes=5)
_MAX_PER_PAGE = 1000


class OperatorClient:
    """Calls `AdminService` for operators. Every method raises `ServiceError` if the call fails."""

    def __init__(self, *, connection: Connection, tokens: Tokens, call_timeout: timedelta) -> None:
        self._connection = connection
        self._tokens = tokens
        self._timeout = call_timeout.total_seconds()

    async def control(self, operator: Claims) -> pb.GetQueueControlResponse:
        """Return pauses and limits of engines."""
        return await self._call(operator, self._connection.admin.GetQueueControl, pb.GetQueueControlRequest())

    async def pause(self, operator: Claims, request: pb.PauseQueueRequest) -> pb.QueuePause:
        """Stop claims."""
        response = await self._call(operator, self._connection.admin.PauseQueue, request)
        return response.pause

    async def resume(self, operator: Claims, request: pb.ResumeQueueRequest) -> None:
        """End a pause."""
        await self._call(operator, self._connection.admin.ResumeQueue, request)

    async def overview(self, operator: Claims) -> pb.GetOverviewResponse:
        """Return the queue by engine, running tasks and recent failures."""
        return await self._call(operator, self._connection.admin.GetOverview, pb.GetOverviewRequest())

    async def users(self, operator: Claims, request: pb.ListUsersRequest) -> pb.ListUsersResponse:
        """Return a page of users."""
        return await self._call(operator, self._connection.admin.ListUsers, request)

    async def find_tasks(self, operator: Claims, request: pb.FindTasksRequest) -> pb.FindTasksResponse:
        """Return a page of tasks of all users."""
        return await self._call(operator, self._connection.admin.FindTasks, request)

    async def requeue(self, operator: Claims, request: pb.RequeueTasksRequest) -> pb.RequeueTasksResponse:
        """Submit failed tasks again."""
        return await self._call(operator, self._connection.admin.RequeueTasks, request)

    async def usage(self, operator: Claims, request: pb.AdminServiceGetUsageRequest) -> pb.AdminServiceGetUsageResponse:
        """Return a page of usage."""
        return await self._call(operator, self._connection.admin.GetUsage, request)

    async def all_usage(
        self, operator: Claims, request: pb.AdminServiceGetUsageRequest
    ) -> AsyncGenerator[list[usage_pb2.DayUsage]]:
        """Yield all pages of usage from that of the request on."""
        request.page_size = _MAX_PER_PAGE
        while True:
            page = await self.usage(operator, request)
            yield list(page.usage)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    async def _call(
        self, operator: Claims, method: grpc.aio.UnaryUnaryMultiCallable[Request, T], request: Request
    ) -> T:
        token = self._tokens.mint_operator(operator, _TOKEN_TTL).token
        metadata = [("authorization", f"Bearer {token}")]
        if current := request_id.current.get():
            metadata.append(("x-request-id", current))
        try:
            return await method(request, timeout=self._timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise ServiceError.from_rpc(error) from error
