"""One real service, shared by tests that use separate users, and its callers."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from os import kill
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from tests.support.api import SECRET, Api, open_channel, token
from tests.support.processes import ServiceProcess, alive, service_process

Connect = Callable[..., Api]
"""Makes a caller from a user's name and optional claims of the token."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service shared by many tests, each with its own user."""
    with service_process(tmp_path_factory.mktemp("shared"), SECRET, worker_slots="2", pool_processes="2") as service:
        yield service


@pytest.fixture
async def channel(service: ServiceProcess) -> AsyncIterator[aio.Channel]:
    async with open_channel(service.target) as channel:
        yield channel


@pytest.fixture
def connect(channel: aio.Channel) -> Connect:
    def make(user: str = "", **claims: Any) -> Api:
        user = user or f"user-{uuid.uuid4().hex[:12]}"
        return Api(channel, user, token(user, **claims))

    return make


@pytest.fixture
def api(connect: Connect) -> Api:
    """A new user."""
    return connect()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def frozen_engine(service: ServiceProcess) -> Iterator[int]:
    """Stop the service's only engine process while the block runs, so that its tasks keep running."""
    (engine,) = service.engine_pids
    kill(engine, signal.SIGSTOP)
    try:
        yield engine
    finally:
        if alive(engine):
            kill(engine, signal.SIGCONT)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 24 MiB, if this user may."""
    # Not below pytest's folders: a killed run leaves the mount, and later runs could not remove it.
    folder = Path(tempfile.mkdtemp(prefix="whitebg-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"this user may not mount a file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
