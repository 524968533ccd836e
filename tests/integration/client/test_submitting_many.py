"""Many submissions with both Python clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, SECRET, running, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from whitebg import Client, Hint, HintKind, Region, Submission, TaskOptions, TaskState, errors
from whitebg.client import AsyncClient


async def test_what_became_of_each_is_told_in_order(client: AsyncClient, server: DrivenService, tmp_path: Path) -> None:
    cup = tmp_path / "cup.png"
    cup.write_bytes(PHOTO)
    photos = [
        Submission(cup, TaskOptions(preset="amazon"), idempotency_key="cup", batch_id="b"),
        Submission(tmp_path / "missing.png"),
        Submission(b"%PDF-1.7", filename="letter.pdf"),
        Submission(PHOTO, filename="\udce9.png", batch_id="b"),
        Submission(PHOTO, more_options=[TaskOptions(preset="jd"), TaskOptions(preset="ebay")]),
        Submission(1, TaskOptions(preset="taobao")),
    ]
    cupped, missing, letter, odd, three, version = results = [each async for each in client.submit_many(photos)]

    assert [each.submission for each in results] == photos
    assert (cupped.task.input.filename, cupped.task.options.preset, cupped.task.batch_id) == ("cup.png", "amazon", "b")
    assert isinstance(missing.error, FileNotFoundError)
    assert isinstance(letter.error, errors.InvalidRequest)
    assert (letter.error.reason, letter.error.violations[0].field) == ("IMAGE_NOT_RECOGNISED", "image")
    with pytest.raises(errors.InvalidRequest, match="JPEG, PNG"):
        _ = letter.task
    assert odd.task.input.filename == "\N{REPLACEMENT CHARACTER}.png"
    assert [task.options.preset for task in three.tasks][1:] == ["jd", "ebay"]
    assert isinstance(version.error, errors.NotFound) or version.task.source_task_id == 1
    again = [each async for each in client.submit_many(photos[:1])]
    assert again[0].task.task_id == cupped.task.task_id, "by its key"
    assert (await client.wait(cupped.task.task_id)).state is TaskState.COMPLETED
    assert len({task.task_id for each in results for task in each.tasks}) == len(await server.tasks("ann"))


async def test_one_that_no_call_can_hold_does_not_stop_the_others(client: AsyncClient) -> None:
    hints = (Hint(kind=HintKind.KEEP, region=Region(left=0.1, top=0.1, right=0.9, bottom=0.9)),) * 64
    photos = [
        Submission(PHOTO),
        Submission(PHOTO, more_options=[TaskOptions()] * 300),
        Submission(PHOTO, priority=2**40),
        Submission(PHOTO, TaskOptions(size_px=2**40)),
        Submission(2**70),
        *([Submission(PHOTO, TaskOptions(hints=hints))] * 200),
    ]
    first, *wrong = [each async for each in client.submit_many(photos)]
    assert first.task.task_id
    assert all(isinstance(each.error, errors.InvalidRequest) for each in wrong[:4])
    assert [each.error for each in wrong[4:]] == [None] * 200


async def test_any_number_is_sent_and_read_as_it_goes(client: AsyncClient, server: DrivenService) -> None:
    read = 0

    def photos() -> Iterator[Submission]:
        nonlocal read
        for _ in range(600):
            read += 1
            yield Submission(PHOTO, TaskOptions(size_px=100))

    results = client.submit_many(photos())
    await anext(results)
    assert read < 300
    assert [each.error async for each in results] == [None] * 599
    assert len(await server.tasks("ann")) == 600


async def test_a_service_that_can_not_take_them_now_says_so_for_each(tmp_path: Path) -> None:
    async with (
        running(DrivenService(tmp_path / "full", SECRET, min_free_mib=10**9)) as full,
        AsyncClient(full.target, token(), backoff=QUICK, timeout=59) as client,
    ):
        results = [each async for each in client.submit_many([Submission(PHOTO)] * 2)]
    for each in results:
        assert isinstance(each.error, errors.ServiceUnavailable)
        assert (each.error.reason, each.error.retry_after) == ("DISK_FULL", 60)


async def test_a_quota_is_told_to_those_above_it(tmp_path: Path) -> None:
    async with (
        running(DrivenService(tmp_path / "few", SECRET, pending_per_user=3)) as few,
        AsyncClient(few.target, token(), backoff=QUICK) as client,
    ):
        results = [each async for each in client.submit_many([Submission(PHOTO)] * 5)]
    assert sum(isinstance(each.error, errors.QuotaExceeded) for each in results) == 2
    assert sum(len(each.tasks) for each in results) == 3


async def test_nothing_to_submit_is_no_call(client: AsyncClient) -> None:
    assert [each async for each in client.submit_many([])] == []


async def test_blocking_client_has_it_too(server: DrivenService) -> None:
    def use() -> list[int]:
        with Client(server.target, token(), backoff=QUICK, timeout=PATIENCE) as client:
            return [each.task.task_id for each in client.submit_many([Submission(PHOTO)] * 3)]

    assert sorted(await asyncio.to_thread(use)) == [1, 2, 3]
