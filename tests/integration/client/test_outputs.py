"""Several pictures of one photo with both Python clients and the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, RunCli, names, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.sync import Client

MARKETS = [models.TaskOptions(preset=name) for name in ("amazon", "taobao", "jd")]


async def test_each_output_is_a_task_of_one_closed_batch(client: AsyncClient, server: DrivenService) -> None:
    tasks = await client.submit_outputs(PHOTO, MARKETS, filename="cup.png", idempotency_key="order-17")
    assert [task.options.preset for task in tasks] == ["amazon", "taobao", "jd"]
    (batch_id,) = {task.batch_id for task in tasks}
    assert batch_id is not None
    assert (await client.get_batch(batch_id)).closed
    stored = [await server.task(task.task_id) for task in tasks]
    assert len({task.input.blob for task in stored}) == 1, "the photo is stored once"
    again = await client.submit_outputs(PHOTO, MARKETS, idempotency_key="order-17")
    assert [task.task_id for task in again] == [task.task_id for task in tasks]
    for task in tasks:
        assert (await client.wait(task.task_id)).state is models.TaskState.COMPLETED


async def test_outputs_of_an_earlier_task_use_its_photo(client: AsyncClient, server: DrivenService) -> None:
    first = await client.submit(PHOTO, filename="cup.png")
    tasks = await client.submit_outputs(first.task_id, MARKETS, batch_id="b")
    assert {(task.source_task_id, task.batch_id, task.input.filename) for task in tasks} == {
        (first.task_id, "b", "cup.png")
    }
    for task in (first, *tasks):
        await client.wait(task.task_id)
    photo = (await server.task(first.task_id)).input.blob
    await client.delete([first.task_id, tasks[0].task_id])
    last = await server.task(tasks[1].task_id)
    assert last.input.blob == photo
    assert await server.image(photo) == PHOTO, "kept as long as one task uses it"


async def test_outputs_that_can_not_be_made_are_refused_as_a_whole(client: AsyncClient) -> None:
    with pytest.raises(errors.InvalidRequest):
        await client.submit_outputs(PHOTO, [*MARKETS, models.TaskOptions(preset="nowhere")])
    with pytest.raises(errors.InvalidRequest):
        await client.submit_outputs(PHOTO, MARKETS * 7)
    with pytest.raises(ValueError, match="no outputs"):
        await client.submit_outputs(PHOTO, [])
    assert [task async for task in client.list_tasks()] == []


async def test_blocking_client_has_it_too(server: DrivenService) -> None:
    def use() -> None:
        with Client(server.target, token(), backoff=QUICK) as client:
            assert len(client.submit_outputs(PHOTO, MARKETS)) == 3

    await asyncio.to_thread(use)


async def test_command_line_makes_one_picture_for_each_preset(
    cli: RunCli, server: DrivenService, tmp_path: Path
) -> None:
    for name in ("cup.png", "bad.png"):
        (tmp_path / name).write_bytes(PHOTO)

    async def run(*arguments: str) -> tuple[int | None, str]:
        async with cli(*arguments, "--out", str(tmp_path / "out")) as process:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
            return process.returncode, (out + err).decode()

    presets = ("--preset", "amazon", "--preset", "taobao")
    status, text = await run("submit", str(tmp_path / "cup.png"), *presets)
    assert status == 0, text
    assert names(tmp_path / "out") == ["cup-amazon-white.png", "cup-taobao-white.png"]
    assert "cup.png (taobao): saved as" in text
    first, second = await server.tasks("local")
    assert (first.batch_id, first.input.blob) == (second.batch_id, second.input.blob)
    status, text = await run("submit", str(tmp_path / "bad.png"), *presets)
    assert (status, text.count("the photo was refused") >= 2) == (1, True)
    status, text = await run("redo", str(first.task_id), "--preset", "jd", "--preset", "ebay")
    assert status == 0, text
    assert {"cup-jd-white.png", "cup-ebay-white.png"} <= set(names(tmp_path / "out"))
    status, text = await run("submit", str(tmp_path / "cup.png"), "--preset", "jd")
    assert (status, "cup-white.png" in names(tmp_path / "out")) == (0, True)
