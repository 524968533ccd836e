"""Batches with both Python clients and the command line."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, RunCli, names, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.sync import Client


async def test_end_of_a_batch_reaches_watchers_once(client: AsyncClient) -> None:
    cursor = await client.head()
    tasks = [await client.submit(PHOTO, batch_id="b") for _ in range(2)]
    assert {task.batch_id for task in tasks} == {"b"}
    assert (await client.close_batch("b")).closed
    with pytest.raises(errors.WrongState):
        await client.submit(PHOTO, batch_id="b")
    async with asyncio.timeout(PATIENCE), aclosing(client.watch(cursor)) as updates:
        events = (update async for update in updates if isinstance(update, models.TaskEvent))
        end = await anext(event async for event in events if event.batch is not None)
    assert (end.type, end.batch) == (models.EventType.BATCH_FINISHED, await client.get_batch("b"))
    async with asyncio.timeout(PATIENCE), aclosing(client.watch(cursor, stop_at_head=True)) as updates:
        ends = [each async for each in updates if isinstance(each, models.TaskEvent) and each.batch is not None]
    assert len(ends) == 1
    assert (ends[0].batch.completed, ends[0].batch.ended, ends[0].batch.total) == (2, 2, 2)  # type: ignore[union-attr]
    found = [task.task_id async for task in client.list_tasks(batch_id="b")]
    assert found == [task.task_id for task in reversed(tasks)]


async def test_blocking_client_cancels_and_deletes_a_batch(idle: DrivenService) -> None:
    def use() -> None:
        with Client(idle.target, token(), backoff=QUICK) as client:
            ids = {client.submit(PHOTO, batch_id="b").task_id for _ in range(2)}
            assert client.get_batch("b").pending == 2
            assert client.cancel_batch("b").cancelled == 2
            assert client.close_batch("b").finished_at is not None
            assert set(client.delete_batch("b").task_ids) == ids
            with pytest.raises(errors.NotFound):
                client.get_batch("b")

    await asyncio.to_thread(use)


async def test_command_line_submits_one_batch_per_call(cli: RunCli, server: DrivenService, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "bad.png"):
        (folder / name).write_bytes(PHOTO)

    async def run(*arguments: str) -> str:
        async with cli(*arguments) as process:
            out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
            return out.decode()

    await run("submit", str(folder), "--out", str(tmp_path / "out"))
    assert names(tmp_path / "out") == ["a-white.png"]
    (batch_id,) = {task.batch_id for task in await server.tasks("local")}
    assert batch_id is not None
    line = await run("batch", batch_id)
    assert f"batch {batch_id} is finished: 2 of 2 ended; 1 completed, 1 failed" in line
    assert json.loads(await run("batch", batch_id, "--json"))["failed"] == 1
    listed = [json.loads(line) for line in (await run("list", "--batch", batch_id, "--json")).splitlines()]
    assert len(listed) == 2
    assert "is finished" in await run("cancel", "--batch", batch_id)
    assert await run("delete", "--batch", batch_id) == "2 tasks deleted\n"
    assert await server.tasks("local") == []
