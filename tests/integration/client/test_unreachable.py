"""With a wrong address, a wait and a watch end in time with an error that names the address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.integration.client.conftest import QUICK
from tests.support.patience import PATIENCE
from whitebg import errors
from whitebg.client import AsyncClient


@pytest.fixture(params=["closed", "silent"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A port without a listener, and one whose listener never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_a_watch_ends_with_the_clients_timeout(address: str) -> None:
    async with AsyncClient(address, "token", timeout=0.5, backoff=QUICK) as client:
        with pytest.raises(errors.DeadlineExceeded, match=address):
            async with asyncio.timeout(PATIENCE):
                await anext(client.watch())


@pytest.mark.parametrize(("own", "clients"), [(0.5, 2 * PATIENCE), (None, 0.5), (2 * PATIENCE, 0.5)])
async def test_a_wait_ends_with_the_shorter_timeout(address: str, own: float | None, clients: float) -> None:
    async with AsyncClient(address, "token", timeout=clients, backoff=QUICK) as client:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            async with asyncio.timeout(PATIENCE):
                await client.wait(7, own)
        assert address in caught.value.message


async def test_a_call_names_the_address(address: str) -> None:
    async with AsyncClient(address, "token", timeout=0.5, backoff=QUICK) as client:
        with pytest.raises((errors.DeadlineExceeded, errors.ServiceUnavailable), match=address):
            await client.presets()
