"""Uploads that trickle, stop or break off affect only their own client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.http import slow_heads as http_protocol
from ws_gateway.server import KEEP_ALIVE_S
from ws_gateway.settings import Settings

UPLOAD = "/api/v2/tasks"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def begun_upload(world: GatewayHarness, user: str, *, announced: int = 1_000_000) -> AsyncIterator[Stream]:
    """Send the head of an upload and the start of its body, and no more."""
    host, port = world.base.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        f"POST {UPLOAD} HTTP/1.1",
        f"Host: {world.base}",
        f"Authorization: {world.headers(user)['Authorization']}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {announced}",
    ]
    try:
        writer.write("\r\n".join([*head, "", ""]).encode() + FORM)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> str:
    async with asyncio.timeout(PATIENCE):
        while not (found := [record.getMessage() for record in caplog.records if text in record.getMessage()]):  # noqa: ASYNC110  a log has no signal
            await asyncio.sleep(0.01)
    return found[0]


async def test_uploads_that_trickle_hold_up_nobody_else(world: GatewayHarness) -> None:
    async with (
        begun_upload(world, "mallory"),
        asyncio.TaskGroup() as group,
    ):
        release = asyncio.Event()
        begun = [asyncio.Event() for _ in range(15)]

        async def trickle(event: asyncio.Event) -> None:
            async with begun_upload(world, "mallory"):
                event.set()
                await release.wait()

        for event in begun:
            group.create_task(trickle(event))
        for event in begun:
            await event.wait()

        async with asyncio.timeout(PATIENCE):
            answer = await world.http.post(UPLOAD, files={"file": PICTURE}, headers=world.headers("ann"))

        assert answer.status_code == 202
        release.set()


async def test_a_body_that_is_too_slow_is_answered_408(service: DrivenService, settings: Settings) -> None:
    quick = settings.model_copy(update={"body_grace": timedelta(seconds=0.3)})
    async with running(service, quick) as world, begun_upload(world, "ann") as (reader, _):
        async with asyncio.timeout(KEEP_ALIVE_S - 1):
            answer = await reader.read()  # To the end of the connection.

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_too_slow" in answer
    assert b"send it again" in answer


async def test_a_client_that_breaks_off_is_a_499_without_a_traceback(
    world: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with begun_upload(world, "ann"):
        pass

    await logged(caplog, f"POST {UPLOAD} 499")

    assert not [record for record in caplog.records if record.exc_info]
    figures = (await world.http.get("/metrics", headers=world.headers("ops", scope="admin"))).text
    assert 'status="499"' in figures


async def test_a_request_that_never_begins_is_closed(world: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.2)
    host, port = world.base.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: ")

    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
