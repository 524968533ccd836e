"""One user opens very many streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import grpc
import pytest

from generator_service.rpc.interceptors import MAX_STREAMS
from tests.support.api import SECRET, Api, open_channel, refusal, token
from tests.support.processes import ServiceProcess, service_process


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service_process(tmp_path_factory.mktemp("watches"), SECRET, worker_slots="0") as service:
        yield service


async def test_they_are_limited_and_others_are_not_affected(service: ServiceProcess) -> None:
    async with open_channel(service.target) as channel:
        ann, bob = Api(channel, "ann", token("ann")), Api(channel, "bob", token("bob"))
        caller = Api(channel, "caller", token("caller", scope="tasks service"))
        async with AsyncExitStack() as stack:
            watches = [await stack.enter_async_context(ann.watch()) for _ in range(MAX_STREAMS)]
            async with ann.watch(settled=False) as one_more:
                refused = await refusal(one_more.call.read())
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
            assert "200 streams of this account are open" in refused.message
            assert refused.retry.retry_delay.seconds == 1
            for other in (bob, caller):
                async with other.watch():
                    pass
            task = await ann.submit()
            for watch in watches:
                await watch.until(lambda item: item.event.task.task_id == task.task_id)
        async with ann.watch() as again:
            await again.until(lambda item: item.HasField("bookmark"))
