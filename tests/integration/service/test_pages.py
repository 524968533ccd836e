"""Long texts in every task: a client with gRPC's default limit of 4 MiB per message can read all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grpc import aio
from pydantic import SecretStr

from generator_service.domain.presets import MAX_PROMPT_LENGTH
from generator_service.domain.task_options import TaskOptions
from generator_service.rpc.convert import pages
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from generator_service.store import read_ahead, sql
from generator_service.store.overview import MAX_RUNNING_SHOWN
from tests.support.api import SECRET, Api, token
from tests.support.http import http_client
from tests.support.store import new_task
from whitebg.v1 import admin_service_pb2 as admin_pb
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub
from ws_gateway.server import make_server
from ws_gateway.settings import Settings as GatewaySettings

if TYPE_CHECKING:
    # Exists in the stubs only: at run time one class serves both kinds of channel.
    from whitebg.v1.admin_service_pb2_grpc import AdminServiceAsyncStub

TASKS = 1000
LONGEST = TaskOptions(prompt="𠮷" * MAX_PROMPT_LENGTH)
"""Four bytes a character."""
LIMIT = 4 * 1024 * 1024


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    """Run a service with many tasks that have the longest prompt and file name."""
    settings = Settings(
        data_dir=tmp_path,
        grpc_port=0,
        jwt_secret=SecretStr(SECRET),
        worker_slots=0,
        pending_per_user=TASKS,
        running_per_user=TASKS,
    )
    async with running_service(settings) as running:
        store = running.parts.store
        new = new_task()
        new = replace(new, options=LONGEST, input=replace(new.input, filename="𠮷" * 60 + ".jpg"))
        await asyncio.gather(*(store.enqueue(new) for _ in range(TASKS)))
        yield running


@pytest.fixture
async def api(service: Running) -> AsyncIterator[Api]:
    """Connect with gRPC's defaults: messages of at most 4 MiB."""
    async with aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        yield Api(channel, "ann", token("ann"))


@pytest.fixture
async def operator(service: Running) -> AsyncIterator[AdminServiceAsyncStub]:
    """Connect an operator with gRPC's defaults."""
    async with aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        stub: AdminServiceAsyncStub = AdminServiceStub(channel)
        yield stub


def as_operator() -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token('ops', scope='admin')}"),)


async def test_all_events_are_listed_page_by_page(api: Api) -> None:
    seqs: list[int] = []
    cursor = ""
    while True:
        page = await api.events(page_size=1000, after=cursor)
        assert page.ByteSize() < LIMIT
        seqs += [event.seq for event in page.events]
        cursor = page.cursor
        if cursor == page.head:
            break
    assert seqs == list(range(1, TASKS + 1))


async def test_all_tasks_are_listed_page_by_page(api: Api) -> None:
    ids: list[int] = []
    page_token = ""
    while True:
        page = await api.list_tasks(page_size=500, page_token=page_token)
        assert page.ByteSize() < LIMIT
        assert page.total_size == TASKS
        ids += [task.task_id for task in page.tasks]
        page_token = page.next_page_token
        if not page_token:
            break
    assert ids == list(range(TASKS, 0, -1))


async def test_a_snapshot_and_a_replay_come_in_messages_that_fit(api: Api, service: Running) -> None:
    epoch = service.feeds.tail.epoch
    asked = [
        pb.WatchTasksRequest(snapshot=True, stop_at_head=True),
        pb.WatchTasksRequest(after=f"{epoch}:0", stop_at_head=True),
    ]
    for request in asked:
        items = [
            item
            async for response in api.stub.WatchTasks(request, metadata=api.metadata)
            for item in response.items
            if response.ByteSize() < LIMIT
        ]
        found = [item.event.task.task_id or item.snapshot_task.task_id for item in items]
        assert list(filter(None, found)) == list(range(1, TASKS + 1))


async def test_watchers_that_leave_within_a_snapshot_free_their_transactions(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "STALL_SECONDS", 90.0)
    monkeypatch.setattr(read_ahead, "LONGEST_SECONDS", 90.0)
    monkeypatch.setattr(sql, "SNAPSHOT_TASKS", 1)
    request = pb.WatchTasksRequest(snapshot=True, stop_at_head=True)
    for _ in range(sql.SNAPSHOT_READERS):
        left = api.stub.WatchTasks(request, metadata=api.metadata)
        assert (await anext(aiter(left))).items[0].HasField("snapshot_begin")
        left.cancel()
    async with asyncio.timeout(60):
        items = [
            item
            async for response in api.stub.WatchTasks(request, metadata=api.metadata)
            for item in response.items
            if item.HasField("snapshot_task")
        ]
    assert len(items) == TASKS


@pytest.mark.parametrize("everybody", [False, True], ids=["one user", "all users"])
async def test_every_response_of_a_long_batch_can_be_resumed_from(api: Api, service: Running, everybody: bool) -> None:
    bearer = token("gateway", scope="service") if everybody else token("ann")
    begin = f"{service.feeds.tail.epoch}:{'r' if everybody else ''}"
    request = pb.WatchTasksRequest(after=f"{begin}0", stop_at_head=True)
    if everybody:
        request.all_users = True
    responses = api.stub.WatchTasks(request, metadata=(("authorization", f"Bearer {bearer}"),))
    cut = [
        (response.cursor, events[-1].seq)
        async for response in responses
        if (events := [item.event for item in response.items if item.HasField("event")])
    ]
    assert len(cut) > 4
    assert cut == [(f"{begin}{seq}", seq) for _, seq in cut]
    assert cut[-1][1] == TASKS


async def test_the_overview_of_many_running_tasks_fits_into_a_message(
    operator: AdminServiceAsyncStub, service: Running
) -> None:
    hour = timedelta(hours=1)
    claimed = await service.parts.store.claim("worker", limit=MAX_RUNNING_SHOWN, lease_for=hour)
    started = [task.task_id for task in claimed.tasks]
    assert len(started) == MAX_RUNNING_SHOWN
    found = await operator.GetOverview(admin_pb.GetOverviewRequest(), metadata=as_operator())
    assert found.ByteSize() < 2 * pages.MAX_PAGE_BYTES < LIMIT
    shown = [each.task.task_id for each in found.running]
    assert shown == started[: len(shown)]
    assert len(shown) > 50


async def test_a_history_that_is_too_long_keeps_its_newest_events(
    operator: AdminServiceAsyncStub, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for priority in range(1, 10):
        await service.parts.store.admin.set_priority(1, priority)
    request = admin_pb.InspectTaskRequest(task_id=1)
    whole = await operator.InspectTask(request, metadata=as_operator())
    assert [event.task.priority for event in whole.events] == list(range(10))
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", whole.ByteSize() // 2)
    cut = await operator.InspectTask(request, metadata=as_operator())
    assert 1 < len(cut.events) < 10
    assert list(cut.events) == list(whole.events)[-len(cut.events) :]


async def test_the_gateway_puts_pages_together(service: Running) -> None:
    settings = GatewaySettings(jwt_secret=SecretStr(SECRET), grpc_target=f"127.0.0.1:{service.port}", http_port=0)
    server = make_server(settings)
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        async with http_client(f"http://127.0.0.1:{server.port}") as http:
            headers = {"Authorization": f"Bearer {token('ann')}"}
            answer = await http.get("/api/v2/tasks?skip=3&limit=500", headers=headers)
            ids = [task["task_id"] for task in answer.json()["tasks"]]
            assert ids == list(range(TASKS - 3, TASKS - 503, -1))
            # By time: the scan reads all pages of the service.
            missed, since = 0, "2020-01-01T00:00:00Z"
            while True:
                answer = await http.post("/api/messages/sync", json={"since": since}, headers=headers)
                assert answer.status_code == 200, answer.text
                assert len(answer.content) < LIMIT
                body = answer.json()
                assert body["mode"] == "replay"
                missed, since = missed + len(body["messages"]), body["cursor"]
                if not body["has_more"]:
                    break
            assert missed == TASKS
    finally:
        server.should_exit = True
        await serving
