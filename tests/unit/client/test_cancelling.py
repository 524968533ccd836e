"""What a cancelled download leaves: nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import PATIENCE
from whitebg import client as client_module
from whitebg.cli.saving import OutputNames, save_result
from whitebg.client import AsyncClient
from whitebg.convert.tasks import task_from_proto
from whitebg.transfer import AtomicFile
from whitebg.v1 import task_pb2
from whitebg_process.threads import finish_in_thread


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class Gate:
    """Holds a thread until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.passed = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the thread before the block."""
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        yield
        self.passed.set()

    async def cancel(self, work: Coroutine[Any, Any, object], times: int = 1) -> None:
        """Cancel ``work`` while its thread is held, then let the thread go on and wait for the end of both."""
        task = asyncio.ensure_future(work)
        assert await asyncio.to_thread(self.reached.wait, PATIENCE)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)  # One turn of the loop, in which the task takes the cancellation.
        self.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(self.passed.wait, PATIENCE)


@pytest.mark.parametrize("times", [1, 3])
async def test_what_a_thread_made_is_released_when_its_caller_is_cancelled(times: int) -> None:
    gate, released = Gate(), list[str]()

    def make() -> str:
        with gate.held():
            return "made"

    making: Coroutine[Any, Any, str] = finish_in_thread(make, released.append)
    await gate.cancel(making, times)
    assert released == ["made"]


async def test_error_of_a_thread_reaches_its_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await finish_in_thread(lambda: 1 // 0)


async def test_cancelled_download_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()

    class Slow(AtomicFile):
        def __init__(self, directory: Path) -> None:
            with gate.held():
                super().__init__(directory)

    monkeypatch.setattr(client_module, "AtomicFile", Slow)
    async with AsyncClient("127.0.0.1:1", "token") as client:
        await gate.cancel(client.download(1, tmp_path / "cup.png"))
    assert names(tmp_path) == []


async def test_cancelled_picture_leaves_no_reserved_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    touch = Path.touch

    def slow(path: Path, *arguments: Any, **named: Any) -> None:
        with gate.held():
            touch(path, *arguments, **named)

    monkeypatch.setattr(Path, "touch", slow)
    task = task_from_proto(task_pb2.Task(task_id=1, result=task_pb2.ResultInfo(content_type="image/png")))
    async with AsyncClient("127.0.0.1:1", "token") as client:
        await gate.cancel(save_result(client, task, OutputNames(tmp_path, force=False), "cup"))
    assert names(tmp_path) == []
