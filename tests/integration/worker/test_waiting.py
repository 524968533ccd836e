"""Waiting is not failing: a real service whose engine or image store is temporarily unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.service.conftest import frozen_engine
from tests.support import fake_gemini as wire
from tests.support.api import QUICK, SECRET, TERMINAL, TINY, Api, Watch, open_channel, token
from tests.support.fake_gemini import Answer, FakeGemini
from tests.support.patience import PATIENCE
from tests.support.processes import service_process
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb

SNOOZED = event_pb2.EVENT_TYPE_SNOOZED
GEMINI = task_pb2.TaskOptions(engine=task_pb2.ENGINE_GEMINI, size_px=100)
AUTO = task_pb2.TaskOptions(engine=task_pb2.ENGINE_AUTO, size_px=100)
TASKS = 12
QUOTA = wire.error(429, "RESOURCE_EXHAUSTED", "20 a minute", wire.retry_info("1s"))
OVERLOADED = wire.error(503, "UNAVAILABLE", "the model is overloaded")


@pytest.fixture
async def gemini() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as server:
        yield server


@asynccontextmanager
async def service_with(folder: Path, gemini: FakeGemini, **settings: str) -> AsyncIterator[tuple[Api, Api]]:
    """Run a service that uses this Gemini server; yield a user and an admin."""
    asked = {
        "gemini_api_key": "key",
        "gemini_base_url": gemini.url,
        "gemini_tries": "1",
        "worker_slots": "4",
        "pool_processes": "1",
        "running_per_user": "4",
    }
    with service_process(folder, SECRET, **asked | settings) as service:
        async with open_channel(service.target) as channel:
            yield Api(channel, "ann", token("ann")), Api(channel, "boss", token("boss", scope="admin"))


async def until_snoozed(watch: Watch, times: int) -> list[event_pb2.TaskEvent]:
    async with asyncio.timeout(PATIENCE):
        while len(snoozed := [event for event in watch.events if event.type == SNOOZED]) < times:
            await watch.next()
    return snoozed


async def ended(watch: Watch, tasks: Sequence[task_pb2.Task]) -> list[task_pb2.Task]:
    """Return the tasks in their terminal states."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            last = {event.task.task_id: event.task for event in watch.events if event.type in TERMINAL}
            if last.keys() >= {task.task_id for task in tasks}:
                return [*last.values()]
            await watch.next()


def all_completed_without_a_failure(tasks: list[task_pb2.Task]) -> bool:
    return {(task.state, task.failures) for task in tasks} == {(task_pb2.TASK_STATE_COMPLETED, 0)}


@pytest.mark.parametrize(
    ("outage", "reason", "cause"),
    [
        (QUOTA, task_pb2.WAIT_REASON_RATE_LIMITED, "quota is used up"),
        (OVERLOADED, task_pb2.WAIT_REASON_ENGINE_UNAVAILABLE, "the model is overloaded"),
    ],
)
async def test_tasks_outlast_an_outage_of_their_engine(
    tmp_path: Path, gemini: FakeGemini, outage: Answer, reason: task_pb2.WaitReason.ValueType, cause: str
) -> None:
    gemini.always = outage
    async with service_with(tmp_path, gemini) as (api, admin), api.watch() as watch:
        tasks = await asyncio.gather(*(api.submit(options=GEMINI) for _ in range(TASKS)))
        # Of the first calls, and of probes after that.
        snoozed = await until_snoozed(watch, 6)
        for event in snoozed:
            assert (event.task.wait_reason, event.task.state) == (reason, task_pb2.TASK_STATE_PENDING)
            assert cause in event.task.error.message
            assert event.task.run_at.ToDatetime() > event.task.updated_at.ToDatetime()
        (breaker,) = (await admin.stats()).breakers
        assert (breaker.name, breaker.reason) == ("engine:gemini", reason)
        assert len(gemini.requests) <= 4 + (len(snoozed) - 4) + 1, "only probes call after the first calls"
        gemini.always = wire.picture(TINY)
        assert all_completed_without_a_failure(await ended(watch, tasks))
        assert not (await admin.stats()).breakers


async def test_a_task_that_has_not_begun_shows_what_it_waits_for(tmp_path: Path, gemini: FakeGemini) -> None:
    gemini.always = wire.error(429, "RESOURCE_EXHAUSTED", "20 a minute", wire.retry_info("50s"))
    async with service_with(tmp_path, gemini, worker_slots="1") as (api, _), api.watch() as watch:
        first = await api.submit(options=GEMINI)
        await until_snoozed(watch, 1)
        second = await api.submit(options=GEMINI)
        async with asyncio.timeout(PATIENCE):
            # Its breaker is read once a second.
            while not (shown := await api.get(second.task_id)).wait_reason:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in (shown, await api.get(first.task_id)):
            assert (task.stage, task.wait_reason) == ("waiting for Gemini's quota", task_pb2.WAIT_REASON_RATE_LIMITED)
            left = task.run_at.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
            assert timedelta(0) < left <= timedelta(seconds=50)
            assert task.estimated_remaining.ToTimedelta() >= left - timedelta(seconds=1)
        assert len(gemini.requests) == 1


async def test_auto_uses_the_next_engine_and_says_why(tmp_path: Path, gemini: FakeGemini) -> None:
    gemini.always = wire.error(429, "RESOURCE_EXHAUSTED", "20 a minute", wire.retry_info("300s"))
    async with service_with(tmp_path, gemini) as (api, _):
        asked = await api.submit(options=GEMINI)
        for calls in (1, 1):
            (done,) = await api.finished((await api.submit(options=AUTO)).task_id)
            assert (done.state, done.result.engine) == (task_pb2.TASK_STATE_COMPLETED, task_pb2.ENGINE_LOCAL)
            assert done.result.findings[0].message.startswith("Made by the local engine, because Gemini")
            assert "quota is used up" in done.result.findings[0].message
            assert len(gemini.requests) <= calls + 1
        waiting = await api.get(asked.task_id)
        assert waiting.state == task_pb2.TASK_STATE_PENDING, "asked for by name: no substitute"


@pytest.mark.parametrize(("code", "status"), [(403, "PERMISSION_DENIED"), (400, "INVALID_ARGUMENT")])
async def test_auto_does_without_an_engine_whose_key_is_refused(
    tmp_path: Path, gemini: FakeGemini, code: int, status: str
) -> None:
    gemini.always = wire.error(code, status, "no good")
    async with service_with(tmp_path, gemini) as (api, _):
        auto, named = await api.submit(options=AUTO), await api.submit(options=GEMINI)
        done, failed = await api.finished(auto.task_id, named.task_id)
    assert done.result.engine == task_pb2.ENGINE_LOCAL
    assert "no good" in done.result.findings[0].message
    assert (failed.state, failed.error.code) == (task_pb2.TASK_STATE_FAILED, "engine_refused")


async def test_a_blocked_photo_is_never_given_to_another_engine(tmp_path: Path, gemini: FakeGemini) -> None:
    gemini.always = wire.no_image("IMAGE_SAFETY")
    async with service_with(tmp_path, gemini) as (api, _):
        (ended,) = await api.finished((await api.submit(options=AUTO)).task_id)
    assert (ended.state, ended.error.code) == (task_pb2.TASK_STATE_FAILED, "blocked")


async def test_a_short_outage_does_not_make_auto_fall_back(tmp_path: Path, gemini: FakeGemini) -> None:
    gemini.answers.append(OVERLOADED)
    gemini.always = wire.picture(TINY)
    async with service_with(tmp_path, gemini) as (api, _):
        (done,) = await api.finished((await api.submit(options=AUTO)).task_id)
    assert (done.result.engine, done.attempt, done.failures) == (task_pb2.ENGINE_GEMINI, 2, 0)


@contextmanager
def without_images(folder: Path, how: str) -> Iterator[None]:
    """Make the folder of images unavailable, like an unmounted share or a broken path."""
    root, away = folder / "blobs", folder / "unmounted"
    root.rename(away)
    if how == "an empty mount point":
        root.mkdir()
    elif how == "a file in its path":
        root.write_bytes(b"")
    yield
    if root.is_dir():
        root.rmdir()
    else:
        root.unlink(missing_ok=True)
    away.rename(root)


@pytest.mark.parametrize("how", ["missing", "an empty mount point", "a file in its path"])
async def test_tasks_outlast_an_outage_of_the_image_store(tmp_path: Path, how: str) -> None:
    settings = {"worker_slots": "4", "pool_processes": "1", "engine_order": "local", "inline_image_kib": "0"}
    with service_process(tmp_path, SECRET, **settings) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            async with api.watch() as watch:
                with frozen_engine(service):
                    tasks = await asyncio.gather(*(api.submit(options=QUICK) for _ in range(12)))
                    await watch.until_event(event_pb2.EVENT_TYPE_STARTED)
                    outage = without_images(tmp_path, how)
                    outage.__enter__()
                # The first fail to store their results, and probes to read their photos.
                snoozed = await until_snoozed(watch, 6)
                outage.__exit__(None, None, None)
                assert all_completed_without_a_failure(await ended(watch, tasks))
            for event in snoozed:
                assert event.task.wait_reason == task_pb2.WAIT_REASON_STORE_UNAVAILABLE
                assert event.task.error.code == "images_unavailable"
                assert "blobs" in event.task.error.message
            _, picture = await api.download(tasks[0].task_id, pb.IMAGE_KIND_RESULT)
            assert picture
