"""Decisions with both Python clients and the command line."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, RunCli, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import Review, models
from whitebg.client import AsyncClient
from whitebg.sync import Client


async def test_decision_reaches_watchers_and_lists(client: AsyncClient) -> None:
    task = await client.wait((await client.submit(PHOTO)).task_id)
    assert task.review is Review.OPEN
    cursor = await client.head()
    assert await client.review([task.task_id, 999], "accepted") == models.ReviewedTasks(
        task_ids=(task.task_id,), missing=(999,)
    )
    async with asyncio.timeout(PATIENCE), aclosing(client.watch(cursor, stop_at_head=True)) as updates:
        (event,) = [update async for update in updates if isinstance(update, models.TaskEvent)]
    assert (event.type, event.task.review, event.task.state) == (
        models.EventType.REVIEWED,
        Review.ACCEPTED,
        models.TaskState.COMPLETED,
    )
    assert [each.task_id async for each in client.list_tasks(review=Review.ACCEPTED)] == [task.task_id]
    assert [each async for each in client.list_tasks(review="rejected")] == []
    with pytest.raises(ValueError, match="perhaps"):
        await client.review([task.task_id], "perhaps")


async def test_many_ids_take_several_calls(idle_client: AsyncClient) -> None:
    task = await idle_client.submit(PHOTO)
    reviewed = await idle_client.review(range(task.task_id, task.task_id + 1500), Review.REJECTED)
    assert (reviewed.task_ids, reviewed.unfinished, len(reviewed.missing)) == ((), (task.task_id,), 1499)


async def test_blocking_client_reviews(idle: DrivenService) -> None:
    def use() -> None:
        with Client(idle.target, token(), backoff=QUICK) as client:
            task = client.submit(PHOTO)
            assert client.review([task.task_id], Review.ACCEPTED).unfinished == (task.task_id,)

    await asyncio.to_thread(use)


async def test_command_line_reviews_and_downloads_accepted_pictures(
    cli: RunCli, server: DrivenService, tmp_path: Path
) -> None:
    async def run(*arguments: str) -> tuple[int | None, str]:
        async with cli(*arguments) as process:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
            return process.returncode, (out + err).decode()

    first = await server.submit("local", filename="a.png")
    second = await server.submit("local", filename="b.png")
    for task in (first, second):
        status, _ = await run("download", str(task.task_id), "--out", str(tmp_path / "waited"))
        assert status == 0
    waiting = await server.submit("local", filename="slow.png")
    assert await run("review", "accept", str(first.task_id)) == (0, "1 picture accepted\n")
    assert await run("review", "reject", str(second.task_id)) == (0, "1 picture rejected\n")
    status, text = await run("review", "accept", str(waiting.task_id), "999")
    assert status == 1
    assert f"task {waiting.task_id} has no picture" in text
    assert "task 999 does not exist" in text

    status, text = await run("download", "--accepted", "--out", str(tmp_path / "white"))
    assert (status, [path.name for path in (tmp_path / "white").iterdir()]) == (0, ["a-white.png"]), text
    status, text = await run("list", "--review", "rejected", "--json")
    assert (status, text.count("b.png"), text.count("a.png")) == (0, 1, 0)
    assert await run("review", "clear", str(first.task_id)) == (0, "1 picture not decided\n")
    status, text = await run("download", "--out", str(tmp_path))
    assert (status, "name either ids or --accepted" in text) == (1, True)
