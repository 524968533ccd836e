"""A real service whose worker is simulated, and the command line as a real process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.driven_service import PICTURE, DrivenService
from tests.support.patience import PATIENCE
from whitebg.client import AsyncClient
from whitebg.tokens import minting
from whitebg_process.backoff import Backoff

SECRET = "s" * 48
PHOTO = PICTURE
QUICK = Backoff(base=0.01, cap=0.05)


async def work(service: DrivenService) -> None:
    """Process every task; the file name selects the outcome.

    ``bad…`` fails, ``slow…`` keeps running until it is cancelled or the test ends it, all others succeed.
    """
    news = service.news()
    try:
        while True:
            for task in await service.work_on_all():
                await service.progress(task.task_id, 40)
                if task.input.filename.startswith("bad"):
                    await service.fail(task.task_id)
                elif not task.input.filename.startswith("slow"):
                    await service.complete(task.task_id)
            await news.wait(1.0)
    finally:
        news.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DrivenService]:
    """A service whose tasks are processed as soon as they are submitted."""
    async with running(DrivenService(tmp_path / "service", SECRET, player=work)) as server:
        yield server


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[DrivenService]:
    """A service in which only the test changes tasks."""
    async with running(DrivenService(tmp_path / "idle", SECRET)) as server:
        yield server


@asynccontextmanager
async def running(service: DrivenService) -> AsyncIterator[DrivenService]:
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def token(user: str = "ann", *scopes: str) -> Callable[[], str]:
    return minting(SECRET, user=user, scopes=scopes or ("tasks",), lifetime=timedelta(hours=1))


def names(folder: Path) -> list[str]:
    """Return the names of all files in a folder, including hidden ones."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def client(server: DrivenService) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.target, token(), backoff=QUICK, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
async def idle_client(idle: DrivenService) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(idle.target, token(), backoff=QUICK, timeout=PATIENCE) as client:
        yield client


RunCli = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.fixture
def cli(server: DrivenService, tmp_path: Path) -> RunCli:
    """Start `whitebg` as a process that connects to the server."""

    @asynccontextmanager
    async def start(
        *arguments: str, connect: bool = True, stdout: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHITEBG_")}
        environment |= {"WHITEBG_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm-256color"}
        environment |= {"WHITEBG_POOL_PROCESSES": "1"}  # the doctor's
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
