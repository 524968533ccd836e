"""Another user's tasks, batches, images and events, through every RPC and every route.

The RPCs are read from the contract, the routes from the application: a new one fails here until its access is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from starlette.routing import BaseRoute

from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.api import TINY, Api, open_channel, token
from tests.support.driven_service import DrivenService
from whitebg.v1 import admin_service_pb2 as admin_pb
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from ws_gateway.app import create_app
from ws_gateway.settings import Settings

SECRET_NAME = "unreleased-product"
"""File name of ann's photo, which no answer to eve may contain."""
BATCH = "batch-of-ann"
MISSING, DENIED = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED
Attempts = list[tuple[Message, grpc.StatusCode | None]]
"""Requests of eve, each with its expected status; None: it is answered with eve's own data."""

GENERATOR = pb.DESCRIPTOR.services_by_name["GeneratorService"]
ADMIN = admin_pb.DESCRIPTOR.services_by_name["AdminService"]


def in_the_name_of_ann(task: int) -> list[pb.SubmitTaskRequest]:
    """Return submissions for ann, or of a photo of hers."""
    return [pb.SubmitTaskRequest(source_task_id=task), pb.SubmitTaskRequest(image=TINY, user_id="ann")]


def attempts(task: int) -> dict[str, Attempts]:
    """Return for each RPC of the GeneratorService what eve tries with a task of ann."""
    return {
        "SubmitTask": [
            (pb.SubmitTaskRequest(source_task_id=task), MISSING),
            (pb.SubmitTaskRequest(image=TINY, user_id="ann"), DENIED),
        ],
        # Each submission has its own result; `test_submissions_of_another_user_are_rejected_one_by_one`.
        "SubmitTasks": [(pb.SubmitTasksRequest(requests=in_the_name_of_ann(task)), None)],
        "GetTask": [
            (pb.GetTaskRequest(task_id=task), MISSING),
            (pb.GetTaskRequest(task_id=task, user_id="ann"), DENIED),
        ],
        "ListTasks": [
            (pb.ListTasksRequest(), None),
            (pb.ListTasksRequest(batch_id=BATCH), None),
            (pb.ListTasksRequest(user_id="ann"), DENIED),
        ],
        "CancelTask": [
            (pb.CancelTaskRequest(task_id=task), MISSING),
            (pb.CancelTaskRequest(task_id=task, user_id="ann"), DENIED),
        ],
        "DeleteTasks": [
            (pb.DeleteTasksRequest(task_ids=[task]), None),
            (pb.DeleteTasksRequest(all=True), None),
            (pb.DeleteTasksRequest(batch_id=BATCH), MISSING),
            (pb.DeleteTasksRequest(task_ids=[task], user_id="ann"), DENIED),
        ],
        "ReviewTasks": [
            (pb.ReviewTasksRequest(task_ids=[task], review=task_pb2.REVIEW_REJECTED), None),
            (pb.ReviewTasksRequest(task_ids=[task], review=task_pb2.REVIEW_REJECTED, user_id="ann"), DENIED),
        ],
        "GetBatch": [
            (pb.GetBatchRequest(batch_id=BATCH), MISSING),
            (pb.GetBatchRequest(batch_id=BATCH, user_id="ann"), DENIED),
        ],
        "CloseBatch": [
            (pb.CloseBatchRequest(batch_id=BATCH), MISSING),
            (pb.CloseBatchRequest(batch_id=BATCH, user_id="ann"), DENIED),
        ],
        "CancelBatch": [
            (pb.CancelBatchRequest(batch_id=BATCH), MISSING),
            (pb.CancelBatchRequest(batch_id=BATCH, user_id="ann"), DENIED),
        ],
        "WatchTasks": [
            (pb.WatchTasksRequest(snapshot=True, stop_at_head=True, task_ids=[task]), None),
            (pb.WatchTasksRequest(user_id="ann"), DENIED),
            (pb.WatchTasksRequest(all_users=True), DENIED),
        ],
        "ListEvents": [(pb.ListEventsRequest(), None), (pb.ListEventsRequest(user_id="ann"), DENIED)],
        "DownloadImage": [
            (pb.DownloadImageRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT), MISSING),
            (pb.DownloadImageRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT, user_id="ann"), DENIED),
        ],
        "GetImage": [
            (pb.GetImageRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT), MISSING),
            (pb.GetImageRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT, user_id="ann"), DENIED),
        ],
        "CreateImageUrl": [
            (pb.CreateImageUrlRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT), MISSING),
            (pb.CreateImageUrlRequest(task_id=task, kind=pb.IMAGE_KIND_RESULT, user_id="ann"), DENIED),
        ],
        "ListPresets": [(pb.ListPresetsRequest(), None)],
        "ListEngines": [(pb.ListEnginesRequest(), None)],
        "GetUsage": [(pb.GetUsageRequest(), None), (pb.GetUsageRequest(user_id="ann"), DENIED)],
        "GetQueueStats": [(pb.GetQueueStatsRequest(), DENIED)],
        "RevokeSession": [(pb.RevokeSessionRequest(user_id="ann"), DENIED)],
        "ListRevocations": [(pb.ListRevocationsRequest(), DENIED)],
    }


async def ask(channel: aio.Channel, method: Any, request: Message, bearer: str) -> tuple[grpc.StatusCode, bytes]:
    """Call a method; return its status and its answers as bytes."""
    path, metadata = f"/{method.containing_service.full_name}/{method.name}", (("authorization", f"Bearer {bearer}"),)
    try:
        if method.server_streaming:
            stream: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            answers = [answer async for answer in stream(request.SerializeToString(), metadata=metadata)]
            return grpc.StatusCode.OK, b"".join(answers)
        unary: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        return grpc.StatusCode.OK, await unary(request.SerializeToString(), metadata=metadata)
    except aio.AioRpcError as error:
        return error.code(), str(error.details()).encode()


async def task_of_ann(service: DrivenService) -> int:
    """Return a completed task of ann, with a result, in a batch."""
    task = await service.submit("ann", filename=f"{SECRET_NAME}.png", batch_id=BATCH)
    await service.work(task.task_id)
    await service.complete(task.task_id)
    return task.task_id


async def state(service: DrivenService, task: int) -> tuple[Any, ...]:
    """Return all of ann's that an attack could change."""
    return (await service.task(task), await service.tasks("ann"))


async def test_no_rpc_reads_or_changes_them(service: DrivenService) -> None:
    """A user names another's objects in each RPC: NOT_FOUND or PERMISSION_DENIED, and nothing is changed."""
    task = await task_of_ann(service)
    before, tried = await state(service, task), attempts(task)
    assert set(tried) == {method.name for method in GENERATOR.methods}, "decide who may use each RPC"
    async with open_channel(service.target) as channel:
        for method in GENERATOR.methods:
            for request, expected in tried[method.name]:
                status, answer = await ask(channel, method, request, token("eve", secret=SECRET))
                assert status is (expected or grpc.StatusCode.OK), (method.name, request, answer)
                assert SECRET_NAME.encode() not in answer, (method.name, request)
    assert await state(service, task) == before


async def test_submissions_of_another_user_are_rejected_one_by_one(service: DrivenService) -> None:
    task = await task_of_ann(service)
    async with open_channel(service.target) as channel:
        results = await Api(channel, "eve", token("eve", secret=SECRET)).submit_many(*in_the_name_of_ann(task))
    assert [each.error.reason for each in results] == ["TASK_NOT_FOUND", "PERMISSION_DENIED"]
    assert await service.tasks("eve") == []


async def test_no_rpc_of_operators_is_open_to_users(service: DrivenService) -> None:
    """A user without the scope calls each RPC of the AdminService: PERMISSION_DENIED before the request is read."""
    async with open_channel(service.target) as channel:
        for method in ADMIN.methods:
            for scope in ("tasks", "", "administrator tasks"):
                bearer = token("eve", secret=SECRET, scope=scope)
                status, _ = await ask(channel, method, GetMessageClass(method.input_type)(), bearer)
                assert status is DENIED, (method.name, scope)


PUBLIC = {
    *("GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect", "GET /asyncapi.yaml", "GET /static-offline-docs"),
    *("GET /", "GET /assets/{name}", "GET /healthz", "GET /readyz", "GET /api/v2/sign-in"),
    *("GET /auth/login", "GET /auth/callback", "POST /api/v2/guest-token", "POST /api/guest-token"),
    "GET /admin",  # The page; its data are behind the routes of operators.
}
"""Routes without a token: they hold no data of users. Guest login has tests of its own."""
OPERATORS = {
    *("GET /admin/flags", "PUT /admin/flags", "GET /admin/queue/stats", "GET /metrics", "POST /admin/sessions/revoke"),
    *("GET /api/v2/admin/usage", "GET /api/v2/admin/queue", "POST /api/v2/admin/pause", "POST /api/v2/admin/resume"),
    *("GET /api/v2/admin/tasks", "POST /api/v2/admin/requeue"),
    *("GET /api/v2/admin/overview", "GET /api/v2/admin/users"),
}
"""Routes that need the scope ``admin``."""
NAMED = {
    *("GET /api/v2/tasks/{task_id}", "GET /api/generation/tasks/{task_id}", "GET /api/v2/tasks/{task_id}/status"),
    *("POST /api/v2/tasks/{task_id}/cancel", "DELETE /api/v2/tasks/{task_id}", "POST /api/v2/tasks/{task_id}/retry"),
    *(
        "POST /api/v2/tasks/{task_id}/versions",
        "GET /api/v2/batches/{batch_id}",
        "POST /api/v2/batches/{batch_id}/close",
    ),
    *("POST /api/v2/batches/{batch_id}/cancel", "DELETE /api/v2/batches/{batch_id}"),
    *("GET /api/v2/tasks/{task_id}/images/{kind}", "GET /images/{task_id}/{kind}"),
}
"""Routes whose path names an object: 404 for another user's."""
LISTED = {"POST /api/v2/tasks/delete", "POST /api/v2/tasks/review", "POST /api/v2/tasks/archive"}
"""Routes whose body names tasks: those of others are left out."""
OWN = {
    *("POST /api/v2/tasks", "POST /api/v2/tasks/async", "POST /api/v2/process", "GET /api/v2/tasks"),
    *("GET /api/generation/tasks", "GET /api/v2/presets", "GET /api/v2/engines", "GET /api/v2/events"),
    *("POST /api/messages/sync", "POST /api/v2/ws-token", "POST /api/ws-token", "GET /api/v2/config"),
    *("GET /api/v2/usage", "POST /auth/logout"),
}
"""Routes that take no name of another user's object: they work for the token's subject."""


def routes(settings: Settings) -> set[str]:
    """Return all routes of the gateway as ``METHOD path``."""

    def walk(found: list[BaseRoute]) -> Iterator[str]:
        for route in found:
            if (inner := getattr(route, "original_router", None)) is not None:
                yield from walk(inner.routes)
                continue
            methods: set[str] = getattr(route, "methods", None) or {"GET"}
            yield from (f"{method} {getattr(route, 'path', route)}" for method in methods - {"HEAD"})

    return set(walk(create_app(settings).routes))


def test_the_access_of_every_route_is_decided(settings: Settings) -> None:
    """A route is added without a decision on its access: this test fails."""
    decided = [PUBLIC, OPERATORS, NAMED, LISTED, OWN]
    assert routes(settings) == set().union(*decided)
    assert sum(map(len, decided)) == len(set().union(*decided)), "a route is in one group only"


def filled(route: str, task: int) -> tuple[str, str]:
    method, _, path = route.partition(" ")
    for name, value in {"task_id": task, "batch_id": BATCH, "kind": "result", "name": "x"}.items():
        path = path.replace(f"{{{name}}}", str(value))
    return method, path


async def test_no_route_reads_or_changes_them(world: GatewayHarness) -> None:
    """A user names another's objects in each route: 404 or nothing, and nothing is changed."""
    task = await task_of_ann(world.service)
    before = await state(world.service, task)
    for route in sorted(NAMED | LISTED | {each for each in OWN if each.startswith("GET ")}):
        method, path = filled(route, task)
        body: dict[str, Any] = {}
        if route in LISTED:
            body = {"json": {"task_ids": [task], "review": "rejected"}}
        elif path.endswith("/versions"):
            body = {"files": {"preset": (None, "amazon")}}
        answer = await world.http.request(method, path, headers=world.headers("eve"), **body)
        if route in NAMED:
            assert answer.status_code == 404, (route, answer.text)
        assert answer.status_code < 500, (route, answer.text)
        assert SECRET_NAME.encode() not in answer.content, route
    assert await state(world.service, task) == before


@pytest.mark.parametrize("route", sorted(NAMED | LISTED | OWN | OPERATORS))
async def test_no_route_works_without_a_token(world: GatewayHarness, route: str) -> None:
    """A caller without a token, or with one of the WebSocket, calls each route: 401."""
    method, path = filled(route, 1)
    socket_token = (await world.http.post("/api/v2/ws-token", headers=world.headers("ann"))).json()["token"]
    for bearer in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": f"Bearer {socket_token}"}):
        assert (await world.http.request(method, path, headers=bearer)).status_code == 401, bearer


@pytest.mark.parametrize("route", sorted(OPERATORS))
async def test_no_route_of_operators_is_open_to_users(world: GatewayHarness, route: str) -> None:
    """A user without the scope calls each route of operators: 403."""
    method, path = filled(route, 1)
    answer = await world.http.request(method, path, headers=world.headers("eve", scope="tasks service"))
    assert answer.status_code == 403, answer.text
