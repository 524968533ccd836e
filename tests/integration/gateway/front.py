"""A gateway in front of a service process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.integration.gateway.world import Client
from tests.support.api import SECRET, TINY, token
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.processes import ServiceProcess, free_port
from ws_gateway.server import make_server
from ws_gateway.settings import Settings

PHOTO = {"file": ("cup.png", TINY, "image/png")}
QUICK = {"engine": "local", "size_px": "100"}


class Service:
    """A service on one folder and one port, in successive processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        self.output = ""
        self._process: ServiceProcess | None = None

    async def start(self) -> None:
        """Start it, and return once it is serving."""
        settings = {"grpc_port": str(self.port), "pool_processes": "1", "worker_slots": "1"}
        self._process = await asyncio.to_thread(ServiceProcess, self.folder, SECRET, **settings)

    async def kill(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            await asyncio.to_thread(process.close)
            self.output = process.output

    async def says(self, text: str) -> None:
        """Wait until a line with this text is in the log."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait_for, text)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """Return the lines with this message in the log of the last process."""
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]


class Front:
    """A running gateway, as seen by browsers."""

    def __init__(self, base: str, http: httpx.AsyncClient, target: str, user: str) -> None:
        self.base = base
        self.http = http
        self.target = target
        """The service behind it, for clients of gRPC."""
        self.user = user
        """Who visits it, unless another one is named."""

    async def upload(self, user: str = "", **headers: str) -> int:
        headers |= self.headers(user)
        answer = await self.http.post("/api/v2/tasks", files=PHOTO, data=QUICK, headers=headers)
        assert answer.status_code == 202, answer.text
        task_id: int = answer.json()["task_id"]
        return task_id

    def headers(self, user: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {token(user or self.user)}"}

    @asynccontextmanager
    async def client(self, *, since: str | None = None, v2: bool = True) -> AsyncIterator[Client]:
        query = httpx.QueryParams({"token": token(self.user)} | ({} if since is None else {"since": since}))
        protocols = [Subprotocol("whitebg.v2")] if v2 else None
        url = f"ws://{self.base}/ws/notifications?{query}"
        async with connect(url, compression=None, open_timeout=PATIENCE, subprotocols=protocols) as socket:
            client = Client(socket)
            await client.settled()
            yield client

    async def ready(self, status: int) -> None:
        """Wait until the gateway's readiness has this status."""
        async with asyncio.timeout(PATIENCE):
            while (await self.http.get("/readyz")).status_code != status:
                continue


@cache
def _usual_settings() -> Settings:
    """Read the settings once: that takes longer than a start of the gateway."""
    values: dict[str, Any] = {"jwt_secret": SECRET, "connections_per_minute": 0, "connections_per_address": 0}
    return Settings(http_port=0, **values)


@asynccontextmanager
async def gateway(target: str, user: str = "ann") -> AsyncIterator[Front]:
    """Run a gateway in front of the service at this address."""
    server = make_server(_usual_settings().model_copy(update={"grpc_target": target}))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
    base = f"127.0.0.1:{server.port}"
    async with http_client(f"http://{base}") as http:
        front = Front(base, http, target, user)
        await front.ready(200)
        yield front
    server.should_exit = True
    await serving
