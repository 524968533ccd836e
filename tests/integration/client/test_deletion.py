"""Deletion with both Python clients and the command line."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, RunCli, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.sync import Client


async def test_deletion_reaches_watchers_and_waiters(idle_client: AsyncClient) -> None:
    client = idle_client
    task = await client.submit(PHOTO)
    waiting = asyncio.create_task(client.wait(task.task_id))
    cursor = await client.head()
    deleted = await client.delete([task.task_id, 999])
    assert deleted == models.DeletedTasks(task_ids=(task.task_id,), missing=(999,))
    async with asyncio.timeout(PATIENCE), aclosing(client.watch(cursor, stop_at_head=True)) as updates:
        types = [update.type async for update in updates if isinstance(update, models.TaskEvent)]
    assert types == [models.EventType.CANCELLED, models.EventType.DELETED]
    async with asyncio.timeout(PATIENCE):
        assert (await waiting).state is models.TaskState.CANCELLED
    with pytest.raises(errors.NotFound):
        await client.wait(task.task_id)
    with pytest.raises(errors.NotFound):
        await client.resubmit(task.task_id)


async def test_many_ids_take_several_calls(idle_client: AsyncClient) -> None:
    task = await idle_client.submit(PHOTO)
    deleted = await idle_client.delete(range(task.task_id, task.task_id + 1500))
    assert (deleted.task_ids, len(deleted.missing)) == ((task.task_id,), 1499)


async def test_blocking_client_deletes_all(idle: DrivenService) -> None:
    def use() -> None:
        with Client(idle.target, token(), backoff=QUICK) as client:
            ids = {client.submit(PHOTO).task_id for _ in range(2)}
            assert set(client.delete_all().task_ids) == ids
            assert list(client.list_tasks()) == []
            assert client.delete(ids).missing == tuple(sorted(ids))

    await asyncio.to_thread(use)


async def test_command_line_deletes_tasks(cli: RunCli, server: DrivenService) -> None:
    async def run(*arguments: str) -> tuple[int | None, str]:
        async with cli("delete", *arguments) as process:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
            return process.returncode, (out + err).decode()

    first = await server.submit("local", filename="slow.png")
    await server.submit("local", filename="slow.png")
    assert await run(str(first.task_id)) == (0, "1 task deleted\n")
    status, text = await run(str(first.task_id))
    assert (status, f"task {first.task_id} does not exist" in text) == (1, True)
    status, text = await run()
    assert (status, "name either ids" in text) == (1, True)
    status, _ = await run("--all")
    assert status == 1, "without --yes it asks for confirmation"
    assert len(await server.tasks("local")) == 1
    assert await run("--all", "--yes") == (0, "1 task deleted\n")
    assert await server.tasks("local") == []
