"""Messages of very many tiny parts, which take far more memory parsed than encoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest
from grpc import aio

from tests.support.api import SECRET, TINY, Api, open_channel, refusal, token
from tests.support.patience import PATIENCE
from tests.support.processes import ServiceProcess, peak_memory, service_process
from whitebg.v1 import generator_service_pb2 as pb

MIB = 1024 * 1024
BYTES = 24 * MIB
FLOODS = {
    "SubmitTask": b"\x6a\x00",  # a further picture with default options
    "SubmitTasks": b"\x0a\x00",  # an empty submission
    "DeleteTasks": b"\x10\x01",  # a task's id
    "WatchTasks": b"\x10\x01",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service_process(tmp_path_factory.mktemp("floods"), SECRET, worker_slots="0") as service:
        yield service


@pytest.mark.parametrize("method", FLOODS)
async def test_it_is_rejected_before_it_is_parsed(service: ServiceProcess, method: str) -> None:
    async with open_channel(service.target) as channel:
        api = Api(channel, "ann", token("ann"))
        with suppress(aio.AioRpcError):  # the buffers of a message of this size exist
            await api.submit(bytes(BYTES))
        before = peak_memory(service.pid)
        path = f"/whitebg.v1.GeneratorService/{method}"
        call = channel.unary_unary if method != "WatchTasks" else channel.unary_stream
        sent = call(path, request_serializer=bytes, response_deserializer=bytes)(
            FLOODS[method] * (BYTES // 2), metadata=api.metadata, timeout=PATIENCE
        )

        async def ended() -> None:
            if isinstance(sent, aio.UnaryStreamCall):
                await sent.read()
            else:
                await sent

        refused = await refusal(ended())

        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["request"])
        assert "parts; send fewer in one call" in refused.message
        assert peak_memory(service.pid) - before < 100 * MIB
        assert (await api.submit(TINY)).task_id


async def test_submissions_in_one_call_share_the_limits_of_an_upload(service: ServiceProcess) -> None:
    async with open_channel(service.target) as channel:
        api = Api(channel, "bob", token("bob"))
        photos = [pb.SubmitTaskRequest(image=b"%PDF" + bytes(4 * MIB)) for _ in range(6)]
        with suppress(aio.AioRpcError):
            await api.submit(bytes(BYTES))
        before = peak_memory(service.pid)
        results = await api.submit_many(*photos)
        assert [each.error.reason for each in results] == ["IMAGE_NOT_RECOGNISED"] * 6
        assert peak_memory(service.pid) - before < 5 * 24 * MIB
