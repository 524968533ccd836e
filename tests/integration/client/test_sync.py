"""The blocking client against a real server that runs in another thread."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.integration.client.conftest import PHOTO, token
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.patience import PATIENCE
from whitebg import Client, TaskState, errors, models


async def test_a_photo_is_put_through_without_asyncio(server: DrivenService, tmp_path: Path) -> None:
    def use() -> bytes:
        with Client(server.target, token()) as client:
            task = client.wait(client.submit(PHOTO).task_id, timeout=PATIENCE)
            assert task.state is TaskState.COMPLETED
            assert [each.task_id for each in client.list_tasks()] == [task.task_id]
            with pytest.raises(errors.NotFound):
                client.get(99)
            return client.download(task.task_id, tmp_path / "out.png").read_bytes()

    assert await asyncio.to_thread(use) == PICTURE


async def test_leaving_a_blocking_watch_ends_its_stream_and_close_joins_the_thread(server: DrivenService) -> None:
    def use() -> None:
        with Client(server.target, token()) as client:
            updates = client.watch()
            assert isinstance(next(updates), models.Bookmark)
            assert server.watchers == 1
            updates.close()
        client.close()
        assert not any(thread.name == "whitebg-client" for thread in threading.enumerate())

    await asyncio.to_thread(use)
    async with asyncio.timeout(PATIENCE):
        await _until(lambda: not server.watchers)


WATCHER = """
import sys
from whitebg import Client
with Client(sys.argv[1], sys.argv[2]) as client:
    try:
        for update in client.watch():
            print("watching", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


async def test_ctrl_c_ends_a_blocking_watch(server: DrivenService) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WATCHER, server.target, token()()), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"watching\n"
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (out, process.returncode) == (b"interrupted\n", 0)
    async with asyncio.timeout(PATIENCE):
        await _until(lambda: not server.watchers)


async def test_an_interrupt_just_after_a_step_was_handed_over_ends_the_watch(
    server: DrivenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over = asyncio.run_coroutine_threadsafe

    def interrupted(work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Future[Any]:
        monkeypatch.undo()
        hand_over(work, loop)
        raise KeyboardInterrupt

    def use() -> None:
        with Client(server.target, token()) as client:
            updates = client.watch()
            next(updates)
            monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
            with pytest.raises(KeyboardInterrupt):
                next(updates)

    await asyncio.to_thread(use)
    async with asyncio.timeout(PATIENCE):
        await _until(lambda: not server.watchers)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the server's loop is this one; each turn lets it work
        await asyncio.sleep(0)
