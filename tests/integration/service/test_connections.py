"""Limits of calls and connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from generator_service.server import running_service
from generator_service.settings import Settings
from tests.support.api import SECRET, Api, open_channel, token
from tests.support.patience import PATIENCE
from whitebg.v1 import task_pb2


@asynccontextmanager
async def connected(folder: Path, **fields: Any) -> AsyncIterator[aio.Channel]:
    """Run a service, and connect to it."""
    values: dict[str, Any] = {"data_dir": folder, "grpc_port": 0, "jwt_secret": SECRET, "worker_slots": 0}
    async with (
        running_service(Settings(**values | fields)) as running,
        open_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        yield channel


async def _submitted(api: Api) -> task_pb2.Task | None:
    """Return the new task; None if there are too many calls."""
    try:
        return await api.submit()
    except aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
    return None


async def test_calls_over_the_limit_are_rejected_and_those_under_way_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator_service.server.MAX_CALLS", 2)
    async with connected(tmp_path) as channel:
        api = Api(channel, "ann", token("ann"))
        async with api.watch() as first:
            async with api.watch():
                with pytest.raises(aio.AioRpcError) as caught:
                    await api.list_tasks()
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            # The service learns of the end of a call a moment after the client.
            async with asyncio.timeout(PATIENCE):
                while (task := await _submitted(api)) is None:
                    continue
            await first.until(lambda item: item.event.task.task_id == task.task_id)


async def test_a_connection_without_calls_is_closed(tmp_path: Path) -> None:
    async with connected(tmp_path, grpc_connection_idle=timedelta(milliseconds=300)) as channel:
        api = Api(channel, "ann", token("ann"))
        await api.list_tasks()
        async with asyncio.timeout(PATIENCE):
            while (state := channel.get_state()) is not grpc.ChannelConnectivity.IDLE:
                await channel.wait_for_state_change(state)
        await api.list_tasks()
