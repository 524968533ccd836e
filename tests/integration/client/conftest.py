"""A service in memory behind a real socket, and the command line as a real process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from whitebg.client import GeneratorClient
from whitebg.retry import Backoff
from whitebg.tokens import minting

from protos.whitebg.v1 import task_pb2
from tests.support.fake_service import MAGIC, FakeLog, FakeServer

SECRET = "s" * 48
PHOTO = MAGIC[0] + b"photo"
QUICK = Backoff(base=0.01, cap=0.05)


class WorkingLog(FakeLog):
    """A log whose tasks are worked on as soon as they are submitted.

    A file name decides what becomes of a task: ``bad…`` fails, ``slow…`` stays under way until it is cancelled.
    """

    def submit(self, user_id: str, *, filename: str = "cup.png", **fields: Any) -> task_pb2.Task:
        task = super().submit(user_id, filename=filename, **fields)
        asyncio.get_running_loop().call_soon(self._work, task.task_id, filename)
        return task

    def _work(self, task_id: int, filename: str) -> None:
        self.start(task_id)
        self.progress(task_id, 40)
        if filename.startswith("bad"):
            self.fail(task_id)
        elif not filename.startswith("slow"):
            self.complete(task_id)


@pytest.fixture
def log() -> FakeLog:
    return WorkingLog()


@pytest.fixture
async def server(log: FakeLog) -> AsyncIterator[FakeServer]:
    server = FakeServer(log, SECRET)
    await server.start()
    yield server
    await server.stop()


def token(user: str = "ann", *scopes: str) -> Callable[[], str]:
    return minting(SECRET, user=user, scopes=scopes or ("tasks",), lifetime=timedelta(hours=1))


def names(folder: Path) -> list[str]:
    """Return what is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[GeneratorClient]:
    async with GeneratorClient(server.target, token(), backoff=QUICK, timeout=10) as client:
        yield client


RunCli = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.fixture
def cli(server: FakeServer, tmp_path: Path) -> RunCli:
    """Start `whitebg` as a process that talks to the server."""

    @asynccontextmanager
    async def start(
        *arguments: str, connect: bool = True, stdout: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHITEBG_")}
        environment |= {"WHITEBG_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm-256color"}
        if connect:
            environment |= {"WHITEBG_GRPC_TARGET": server.target, "WHITEBG_TOKEN": token("local")()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "whitebg", *arguments),
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    return start
