"""The gateway as a process: start, logs and shutdown."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.integration.gateway.world import SECRET, Client, token_for
from tests.support.driven_service import DrivenService
from tests.support.http import http_client
from tests.support.patience import PATIENCE, eventually
from tests.support.processes import service_process
from ws_gateway.components import FIRST_CONTACT_S
from ws_gateway.server import make_server
from ws_gateway.settings import Settings


class Process:
    """A gateway process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""
        self.base = ""

    async def ready(self) -> None:
        """Read the log until it contains the listening address."""
        self.base = (await self.logged(r"listening on http://([\w.:]+)"))[1]

    async def logged(self, pattern: str) -> re.Match[str]:
        """Read the log until it contains the pattern."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(pattern, self.log)):
                line = await self.process.stderr.readline()
                assert line, f"the gateway ended early:\n{self.log}"
                self.log += line.decode()
            return found

    async def ended(self) -> int:
        """Return the exit status, with the rest of the log read."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self.log += (await self.process.stderr.read()).decode()
            return await self.process.wait()


@asynccontextmanager
async def gateway(service: DrivenService, **environment: str) -> AsyncIterator[Process]:
    settings = {
        "WHITEBG_HTTP_PORT": "0",
        "WHITEBG_GRPC_TARGET": service.target,
        "WHITEBG_JWT_SECRET": SECRET,
        "WHITEBG_LOG_LEVEL": "DEBUG",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ws_gateway"),
        env=os.environ | settings | environment,
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def greeted(running: Process, token: str) -> Client:
    socket = await connect(
        f"ws://{running.base}/ws/notifications?token={token}",
        subprotocols=[Subprotocol("whitebg.v2")],
        compression=None,
        open_timeout=PATIENCE,
    )
    client = Client(socket)
    assert (await client.next())["type"] == "hello"
    return client


async def test_a_start_that_waits_for_the_service_can_be_stopped(service: DrivenService) -> None:
    await service.stop()
    async with gateway(service) as running:
        await running.logged("service unavailable")
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(FIRST_CONTACT_S / 2):
            assert await running.ended() == 0


async def test_a_stop_before_the_start_is_not_lost(service: DrivenService, settings: Settings) -> None:
    await service.stop()
    server = make_server(settings)
    server.leave()
    async with asyncio.timeout(FIRST_CONTACT_S / 2):
        await server.serve()


async def test_a_file_that_does_not_respond_does_not_delay_the_end(service: DrivenService, tmp_path: Path) -> None:
    flags = tmp_path / "flags.json"
    os.mkfifo(flags)
    write_ends: list[int] = []

    def reader_waits() -> bool:
        with suppress(OSError):  # ENXIO: the gateway has not opened it yet.
            write_ends.append(os.open(flags, os.O_WRONLY | os.O_NONBLOCK))
        return bool(write_ends)

    settings = {"WHITEBG_FLAGS_FILE": str(flags), "WHITEBG_DRAIN_TIMEOUT": "PT1S"}
    async with gateway(service, **settings) as running, http_client() as http:
        await running.ready()
        headers = {"Authorization": f"Bearer {token_for('ann')}"}
        reading = asyncio.create_task(http.get(f"http://{running.base}/api/v2/config", headers=headers))
        await eventually(reader_waits)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
        assert "exiting without cleanup" in running.log
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    os.close(write_ends[0])


async def test_a_service_that_refuses_the_gateway_is_not_called_unavailable(
    service: DrivenService, tmp_path: Path
) -> None:
    with service_process(tmp_path, "o" * 48, worker_slots="0") as other:
        async with gateway(service, WHITEBG_GRPC_TARGET=other.target) as running:
            await running.ready()
            async with http_client(f"http://{running.base}") as http:
                answer = await http.get("/readyz")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    message = answer.json()["error"]["message"]
    assert message.startswith(f"the generator service at {other.target} refuses the gateway (UNAUTHENTICATED")


async def test_the_first_failure_to_reach_the_service_is_a_warning(service: DrivenService) -> None:
    await service.stop()
    async with gateway(service, WHITEBG_LOG_LEVEL="WARNING") as running:
        assert "UNAVAILABLE" in (await running.logged(r"service unavailable: .*"))[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_tells_clients_when_to_come_back(
    service: DrivenService, number: signal.Signals
) -> None:
    async with gateway(service) as running:
        await running.ready()
        client = await greeted(running, token_for("ann"))
        running.process.send_signal(number)
        going = (await client.until(lambda message: message["type"] == "going_away"))[-1]
        assert 200 <= going["retry_after_ms"] <= 1002
        assert await client.close_code() == 4200
        assert await running.ended() == 0


async def test_it_ends_with_its_parent(service: DrivenService) -> None:
    async with gateway(service, WHITEBG_EXIT_ON_STDIN_EOF="1") as running:
        await running.ready()
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert await running.ended() == 0


async def test_no_token_reaches_the_log(service: DrivenService) -> None:
    tokens = [token_for("ann"), token_for("ann", aud="other"), "forged.token.text"]
    async with gateway(service) as running:
        await running.ready()
        for token in tokens:
            query = f"?token={token}&since=dead:1"
            async with connect(
                f"ws://{running.base}/ws/notifications{query}", compression=None, open_timeout=PATIENCE
            ) as socket:
                if token is tokens[0]:
                    await Client(socket).settled()
                else:
                    await socket.wait_closed()
            async with http_client(f"http://{running.base}") as http:
                await http.get("/api/v2/tasks", headers={"Authorization": f"Bearer {token}"})
                await http.get(f"/nowhere?token={token}")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
    assert "WEBSOCKET /ws/notifications" in running.log
    assert "GET /nowhere 404" in running.log
    for secret in (*tokens, SECRET, *(token.rpartition(".")[2] for token in tokens[:2])):
        assert secret not in running.log


async def test_bad_settings_are_named(service: DrivenService) -> None:
    async with gateway(service, WHITEBG_JWT_SECRET="short-secret", WHITEBG_HTTP_PORT="many") as running:
        assert await running.ended() == 2
    assert "WHITEBG_JWT_SECRET: the secret is shorter than 32 bytes" in running.log
    assert "WHITEBG_HTTP_PORT: " in running.log
    assert "short-secret" not in running.log
