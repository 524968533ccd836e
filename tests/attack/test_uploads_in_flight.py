"""Memory of requests while they are received: bounded, and none without a token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.api import SECRET, TINY, Api, open_channel, read_refusal, token
from tests.support.patience import PATIENCE
from tests.support.processes import ServiceProcess, peak_memory, service_process
from tests.support.stalling import stalling_proxy
from whitebg.v1 import generator_service_pb2 as pb

MIB = 1024 * 1024
LARGE = b"%PDF" + bytes(24 * MIB)
"""A message that is received completely, then rejected by its first bytes."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with memory for four photos at once, one per user."""
    with service_process(tmp_path_factory.mktemp("few"), SECRET, worker_slots="0", upload_memory_mib="136") as service:
        yield service


def own_connection(target: str) -> aio.Channel:
    """Return a channel with its own connection, as of another client."""
    return aio.insecure_channel(
        target, [("grpc.max_send_message_length", 64 * MIB), ("grpc.use_local_subchannel_pool", 1)]
    )


async def check_health(channel: aio.Channel, service: str) -> health_pb2.HealthCheckResponse:
    answer = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service), timeout=2 * PATIENCE
    )
    assert isinstance(answer, health_pb2.HealthCheckResponse)
    return answer


async def test_calls_without_a_token_are_answered_before_they_are_received(service: ServiceProcess) -> None:
    before = peak_memory(service.pid)
    async with stalling_proxy(service.port, after=23 * MIB) as target, AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(own_connection(target)) for _ in range(20)]
        outcomes = await asyncio.gather(
            *(Api(channel, "nobody", "no token").submit(LARGE) for channel in channels), return_exceptions=True
        )

    for outcome in outcomes:
        assert isinstance(outcome, aio.AioRpcError)
        assert read_refusal(outcome).code is grpc.StatusCode.UNAUTHENTICATED
    assert peak_memory(service.pid) - before < 100 * MIB


async def test_health_checks_that_stall_take_bounded_memory(service: ServiceProcess) -> None:
    before = peak_memory(service.pid)
    async with stalling_proxy(service.port, after=23 * MIB) as target, AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(own_connection(target)) for _ in range(20)]
        calls = [asyncio.ensure_future(check_health(channel, "x" * 24 * MIB)) for channel in channels]
        # Requests that can be received at once are received before the first one times out.
        done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
        memory = peak_memory(service.pid) - before
        for call in waiting:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    assert done, "a stalled request ends"
    # One request is received; of the others gRPC buffers its fixed window of 64 KiB each.
    assert memory < 3 * 24 * MIB


async def test_a_health_check_of_a_photos_size_is_rejected(service: ServiceProcess) -> None:
    async with own_connection(service.target) as channel:
        with pytest.raises(aio.AioRpcError) as error:
            await check_health(channel, "x" * 24 * MIB)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "at most 65536" in (error.value.details() or "")
        answer = await check_health(channel, "")
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_uploads_that_stall_hold_up_only_their_own_user(service: ServiceProcess) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(stalling_proxy(service.port, after=1 * MIB))
        stalling = Api(await stack.enter_async_context(open_channel(proxy)), "mallory", token("mallory"))
        calls = [asyncio.create_task(stalling.submit(LARGE)) for _ in range(16)]
        other = Api(await stack.enter_async_context(open_channel(service.target)), "ann", token("ann"))
        async with asyncio.timeout(PATIENCE):
            for _ in range(5):
                await other.submit(TINY)

        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_many_uploads_at_once_take_bounded_memory(service: ServiceProcess) -> None:
    async with open_channel(service.target) as channel:
        with suppress(aio.AioRpcError):
            await Api(channel, "first", token("first")).submit(LARGE)
        before = peak_memory(service.pid)
        callers = [Api(channel, user, token(user)) for user in (f"user-{number}" for number in range(30))]
        requests = [
            each.stub.SubmitTask(pb.SubmitTaskRequest(image=LARGE), metadata=each.metadata, timeout=4 * PATIENCE)
            for each in callers
        ]
        outcomes = await asyncio.gather(*requests, return_exceptions=True)

    for outcome in outcomes:
        assert isinstance(outcome, aio.AioRpcError)
        assert read_refusal(outcome).reason == "IMAGE_NOT_RECOGNISED"
    # Unbounded they took twice their own size, 1440 MiB.
    assert peak_memory(service.pid) - before < 900 * MIB
