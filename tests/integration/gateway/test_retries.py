"""Calls while the service is replaced: transport failures are retried, the service's own errors are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import grpc
import pytest

from generator_service.imaging.source.inspect import MAX_PHOTO_BYTES
from generator_service.imaging.source.mask_header import MAX_MASK_BYTES
from generator_service.rpc.receiving import MAX_MESSAGE_BYTES
from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.api import TINY
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from tests.support.processes import free_port
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.generator_service_pb2_grpc import (
    GeneratorServiceServicer,
    add_GeneratorServiceServicer_to_server,
)
from ws_gateway.auth.jwt import Tokens
from ws_gateway.clock import SystemClock
from ws_gateway.upstream.channel import Connection
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.errors import ServiceError


@asynccontextmanager
async def client_of(target: str) -> AsyncIterator[ServiceClient]:
    clock = SystemClock()
    tokens = Tokens(secret=SECRET, audience="whitebg", clock=clock)
    client = ServiceClient(
        connection=Connection(target), tokens=tokens, clock=clock, call_timeout=timedelta(seconds=PATIENCE)
    )
    yield client
    await client.close()


def replace_folder(folder: Path) -> None:
    """Replace the folder by a file, so that no photo can be stored.

    The folder is renamed in one step: the running service writes into it at any time, so it can't be emptied.
    """
    folder.rename(folder.with_name("moved away"))
    folder.write_bytes(b"")


async def test_submit_succeeds_although_the_service_starts_after_the_first_attempt(tmp_path: Path) -> None:
    port = free_port()
    refused = asyncio.Event()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refused.set()
        writer.transport.abort()

    listener = await asyncio.start_server(refuse, "127.0.0.1", port)
    service = DrivenService(tmp_path, SECRET, grpc_port=port)
    async with client_of(f"127.0.0.1:{port}") as client:
        submitting = asyncio.create_task(client.submit(pb.SubmitTaskRequest(user_id="ann", image=TINY)))
        async with asyncio.timeout(PATIENCE):
            await refused.wait()
        listener.close()
        await listener.wait_closed()
        await service.start()
        assert (await submitting).task.task_id
        assert (await client.queue_stats()).states[0].count == 1
    await service.stop()


class _Replaced(GeneratorServiceServicer):
    """A service whose first process ends during a call."""

    def __init__(self) -> None:
        self.calls = 0

    async def SubmitTask(  # noqa: N802
        self, request: pb.SubmitTaskRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.SubmitTaskResponse:
        self.calls += 1
        if self.calls == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the service is ending")
        return pb.SubmitTaskResponse()


async def test_the_largest_photo_with_the_largest_mask_is_sent_again() -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
    replaced = _Replaced()  # type: ignore[abstract]  # Its other methods are not called.
    add_GeneratorServiceServicer_to_server(replaced, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with client_of(f"127.0.0.1:{port}") as client:
            await client.submit(
                pb.SubmitTaskRequest(user_id="ann", image=bytes(MAX_PHOTO_BYTES), mask=bytes(MAX_MASK_BYTES))
            )
    finally:
        await server.stop(None)
    assert replaced.calls == 2


async def test_answer_of_the_service_itself_is_not_retried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = DrivenService(tmp_path, SECRET, inline_image_kib=0)
    await service.start()
    await asyncio.to_thread(replace_folder, Path(service.running.parts.blobs.where.removeprefix("folder ")))
    async with client_of(service.target) as client:
        with pytest.raises(ServiceError) as failed:
            await client.submit(pb.SubmitTaskRequest(user_id="ann", image=TINY))
    assert failed.value.status is grpc.StatusCode.UNAVAILABLE
    assert failed.value.retry_after
    counted = service.running.parts.metrics.registry.get_sample_value(
        "whitebg_grpc_calls_total", {"method": "SubmitTask", "code": "UNAVAILABLE"}
    )
    assert counted == 1
    await service.stop()


async def test_retried_submission_without_a_key_is_not_reported_as_replayed(
    world: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = world.server.gateway.service.submit

    async def submit_twice(request: pb.SubmitTaskRequest, **files: BinaryIO | None) -> pb.SubmitTaskResponse:
        """Send the request again as gRPC does when the first response was lost."""
        await submit(request, **files)
        return await submit(request, **files)

    monkeypatch.setattr(world.server.gateway.service, "submit", submit_twice)
    first = await world.http.post("/api/v2/tasks", headers=world.headers(), files={"file": ("cup.png", TINY)})
    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first.headers
