"""Webhooks of real services: created over the API, delivered over a crash, by one of two services at a time."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.api import SECRET, Api, open_channel, refusal, token
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer
from tests.support.processes import ServiceProcess, service_process
from tests.support.webhook_receiver import Receiver, webhook_receiver
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

SETTINGS = {
    "pool_processes": "1",
    "worker_slots": "0",
    "webhook_allowed_networks": "127.0.0.0/8, ::1/128",
    "webhook_allow_http": "true",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of a database."""
    if request.param == "sqlite":
        yield {}
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = postgres.create()
    yield {"database_url": postgres.url(name)}
    postgres.drop(name)


async def call(channel: grpc.aio.Channel, method: str, **fields: Any) -> Any:
    request = getattr(pb, f"{method}Request")(**fields)
    # A token made when this module is imported has expired before a long run comes to these tests.
    metadata = (("authorization", f"Bearer {token('ops', scope='admin')}"),)
    return await getattr(AdminServiceStub(channel), method)(request, metadata=metadata, timeout=PATIENCE)


async def cancelled(target: str, count: int) -> list[int]:
    """Let tasks end; return their ids in that order."""
    async with open_channel(target) as channel:
        ann = Api(channel, "ann", token("ann"))
        tasks = []
        for _ in range(count):
            task = await ann.submit(options=task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL))
            tasks.append((await ann.cancel(task.task_id)).task_id)
        return tasks


async def test_deliveries_survive_a_crash_in_the_order_of_the_log(
    tmp_path: Path, database: dict[str, str], receiver: Receiver
) -> None:
    with contextlib.ExitStack() as stack:

        def start() -> ServiceProcess:
            return stack.enter_context(service_process(tmp_path, SECRET, **SETTINGS, **database))

        first = start()
        async with open_channel(first.target) as channel:
            made = await call(channel, "CreateWebhook", url=receiver.url, user_id="ann", types=["task.cancelled"])
        assert made.secret.startswith("whsec_")
        second = start() if database else None  # SQLite has one service only.
        # The first message fails once, so that there is something to deliver when the service is killed.
        receiver.status = lambda number: 500 if number == 0 else 204
        tasks = await cancelled(first.target, 3)
        await asyncio.to_thread(receiver.wait_for, lambda each: len(each) >= 1)
        first.kill()
        survivor = second or start()
        tasks += await cancelled(survivor.target, 3)
        await asyncio.to_thread(receiver.wait_for, lambda _: len(receiver.accepted) >= len(tasks))

        seen = list(dict.fromkeys(each.task_id for each in receiver.accepted))
        assert seen == tasks, "a message was lost, or came out of order"
        assert all(each.signed_with(made.secret) for each in receiver.deliveries)
        assert made.secret not in first.output + survivor.output, "a secret was logged"
        async with open_channel(survivor.target) as channel:
            (listed,) = (await call(channel, "ListWebhooks")).webhooks
            assert (listed.url, listed.user_id, [*listed.types]) == (receiver.url, "ann", ["task.cancelled"])
            fresh = await call(channel, "RotateWebhookSecret", webhook_id=listed.webhook_id)
        (last,) = await cancelled(survivor.target, 1)
        await asyncio.to_thread(receiver.wait_for, lambda _: receiver.accepted[-1].task_id == last)
        assert receiver.accepted[-1].signed_with(fresh.secret)
        assert receiver.accepted[-1].signed_with(made.secret)


async def test_requests_are_validated_and_the_command_line_manages_webhooks(tmp_path: Path) -> None:
    with service_process(tmp_path, SECRET, worker_slots="0", pool_processes="1") as service:
        async with open_channel(service.target) as channel:
            assert (await refusal(call(channel, "CreateWebhook", url="http://a.example"))).fields == ["url"]
            for host in ("10.0.0.5", "127.0.0.1:8080", "[::1]", "[::ffff:10.0.0.5]", "169.254.169.254"):
                inside = await refusal(call(channel, "CreateWebhook", url=f"https://{host}/hook"))
                assert inside.fields == ["url"], host
            named = await refusal(call(channel, "CreateWebhook", url="https://localhost:8443/hook"))
            assert named.fields == ["url"]
            assert "localhost: 127.0.0.1 is not a public address" in named.message
            assert "WHITEBG_WEBHOOK_ALLOWED_NETWORKS" in named.message
            wrong = call(channel, "CreateWebhook", url="https://a.example", types=["task.started"])
            assert (await refusal(wrong)).fields == ["types"]
            for method in ("DeleteWebhook", "RotateWebhookSecret", "ListDeadLetters", "ReplayDeadLetters"):
                missing = await refusal(call(channel, method, webhook_id="nothing"))
                assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "WEBHOOK_NOT_FOUND"), method

        def admin(*words: str) -> str:
            options = ["--target", service.target, "--token", token("ops", scope="admin")]
            command = [sys.executable, "-P", "-m", "whitebg", "admin", *options, "webhooks", *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        address = "https://a.example/hook/T0PS3CRET?key=K3Y"
        webhook_id, secret = (await asyncio.to_thread(admin, "create", address)).split()
        assert secret.startswith("whsec_")
        await asyncio.to_thread(service.wait_for, '"request": "url: \\"https://a.example\\""')
        assert not any(each in service.output for each in ("T0PS3CRET", "K3Y", secret)), "a secret was logged"
        assert address in await asyncio.to_thread(admin, "list", "--json")
        assert (await asyncio.to_thread(admin, "rotate", webhook_id)).startswith("whsec_")
        assert await asyncio.to_thread(admin, "dead-letters", webhook_id) == ""
        assert "0 messages" in await asyncio.to_thread(admin, "replay", webhook_id)
        await asyncio.to_thread(admin, "delete", webhook_id)
