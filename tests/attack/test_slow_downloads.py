"""ZIP files that are not read affect only their own client."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.settings import Settings

ARCHIVE = "/api/v2/tasks/archive"
LARGE = bytes(4_000_000)
"""Several of them are more than all buffers between server and client hold."""


async def completed(world: GatewayHarness, user: str, picture: bytes = LARGE) -> int:
    task = await world.service.submit(user)
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id, picture)
    return task.task_id


@asynccontextmanager
async def unread_archive(world: GatewayHarness, user: str, task_ids: list[int]) -> AsyncIterator[None]:
    """Request a ZIP file, and read no byte of it after its head."""
    host, port = world.base.split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (host, int(port)))
        body = json.dumps({"task_ids": task_ids})
        head = [
            f"POST {ARCHIVE} HTTP/1.1",
            f"Host: {world.base}",
            f"Authorization: {world.headers(user)['Authorization']}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        await loop.sock_sendall(client, "\r\n".join([*head, "", body]).encode())
        assert (await loop.sock_recv(client, 15)).startswith(b"HTTP/1.1 200")
        yield


async def test_a_zip_file_that_is_not_read_frees_its_slot(
    service: DrivenService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one_slot = {"body_grace": timedelta(seconds=0.5), "max_concurrent_archives": 1}
    async with running(service, settings.model_copy(update=one_slot)) as world, asyncio.timeout(PATIENCE):
        unread = [await completed(world, "mallory") for _ in range(4)]
        task_id = await completed(world, "ann", b"picture" * 50_000)
        async with unread_archive(world, "mallory", unread):
            answer = await world.http.post(ARCHIVE, json={"task_ids": [task_id]}, headers=world.headers("ann"))

    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    ended = [record for record in caplog.records if "a download ended early" in record.getMessage()]
    assert len(ended) == 1
    assert not [record for record in caplog.records if record.exc_info]
