"""The service is killed while it works; no event is lost, repeated or out of order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from grpc import aio

from generator_service.server import REAP_LEASES_EVERY
from generator_service.settings import Settings
from tests.support.api import SECRET, TERMINAL, Api, token
from tests.support.photos import product_photo
from tests.support.processes import ServiceProcess
from whitebg.v1 import event_pb2, task_pb2

pytestmark = pytest.mark.chaos

TASKS = 12
LEASE: timedelta = Settings.model_fields["lease"].default
SHORT_LEASE = {"lease": "PT3S", "heartbeat": "PT1S"}
PHOTO = product_photo(200, 150)
"""Takes about 0.2 s, so that some task is always running when the service is killed."""
WITHIN = 90.0
STARTED, SNOOZED = event_pb2.EVENT_TYPE_STARTED, event_pb2.EVENT_TYPE_SNOOZED
COMPLETED = event_pb2.EVENT_TYPE_COMPLETED
RECONNECT_QUICKLY = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]


@dataclass
class Watcher:
    """Follows a user's log through every disconnection as a client should: with its last cursor."""

    api: Api
    cursor: str
    events: list[event_pb2.TaskEvent] = field(default_factory=list)
    breaks: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self) -> None:
        while True:
            try:
                async with self.api.watch(settled=False, wait_for_ready=True, after=self.cursor) as watch:
                    while items := await watch.next():
                        async with self._news:
                            self.events += [item.event for item in items if item.HasField("event")]
                            self.cursor = watch.cursor
                            self._news.notify_all()
            except aio.AioRpcError:
                self.breaks += 1

    async def completed(self, number: int) -> None:
        """Return once this many tasks have completed."""
        await self._until(lambda: sum(event.type == COMPLETED for event in self.events) >= number)

    async def ended(self, task_ids: set[int]) -> None:
        """Return once all these tasks have had a terminal event."""
        await self._until(lambda: {event.task.task_id for event in self.events if event.type in TERMINAL} >= task_ids)

    async def _until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN), self._news:
            await self._news.wait_for(enough)


@asynccontextmanager
async def watching(service: ServiceProcess) -> AsyncIterator[tuple[Api, Watcher]]:
    """A user, and a watcher that follows the user's log from the beginning."""
    async with aio.insecure_channel(service.target, options=RECONNECT_QUICKLY) as channel:
        api = Api(channel, "ann", token("ann"))
        watcher = Watcher(api, (await api.events()).head)
        following = asyncio.create_task(watcher.follow())
        try:
            yield api, watcher
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def submit_all(api: Api) -> set[int]:
    return {(await api.submit(PHOTO, idempotency_key=f"photo-{number}")).task_id for number in range(TASKS)}


def check(watcher: Watcher, task_ids: set[int], breaks: int) -> None:
    """Check that every task ended with one terminal event, and that every seq came once, in order."""
    assert watcher.breaks >= breaks
    assert [event.seq for event in watcher.events] == list(range(1, len(watcher.events) + 1))
    terminal = Counter(event.task.task_id for event in watcher.events if event.type in TERMINAL)
    assert terminal == dict.fromkeys(task_ids, 1)
    assert {event.type for event in watcher.events if event.type in TERMINAL} == {COMPLETED}


async def check_store(api: Api, watcher: Watcher, task_ids: set[int]) -> None:
    """Check that the service's state matches the received events."""
    listed = await api.list_tasks(page_size=500)
    assert {task.task_id for task in listed.tasks} == task_ids
    assert {task.state for task in listed.tasks} == {task_pb2.TASK_STATE_COMPLETED}
    history = (await api.events(page_size=1000)).events
    assert [event.revision for event in history] == list(range(1, len(history) + 1))
    assert [event.cursor for event in history] == [event.cursor for event in watcher.events]


async def lives(folder: Path, **settings: str) -> AsyncGenerator[ServiceProcess]:
    """Yield successive processes of a service on the same folder and port; each ends with SIGKILL."""
    while True:
        service = await asyncio.to_thread(ServiceProcess, folder, SECRET, **settings)
        try:
            settings["grpc_port"] = str(service.port)
            yield service
        finally:
            await asyncio.to_thread(service.close)


@pytest.mark.parametrize("after_completed", [0, 6])
async def test_killed_midway_every_task_ends_once_and_the_watcher_misses_nothing(
    tmp_path: Path, after_completed: int
) -> None:
    async with aclosing(lives(tmp_path, **SHORT_LEASE)) as life, watching(await anext(life)) as (api, watcher):
        task_ids = await submit_all(api)
        await watcher.completed(after_completed)
        assert len(task_ids) > sum(event.type in TERMINAL for event in watcher.events)
        await anext(life)
        await watcher.ended(task_ids)
        check(watcher, task_ids, breaks=1)
        await check_store(api, watcher, task_ids)


async def test_killed_again_and_again_it_comes_to_an_end_all_the_same(tmp_path: Path) -> None:
    async with aclosing(lives(tmp_path, **SHORT_LEASE)) as life, watching(await anext(life)) as (api, watcher):
        task_ids = await submit_all(api)
        for number in (2, 5, 8):
            await watcher.completed(number)
            await anext(life)
        await watcher.ended(task_ids)
        check(watcher, task_ids, breaks=3)
        await check_store(api, watcher, task_ids)


async def test_what_was_acknowledged_before_the_kill_is_there_after_it(tmp_path: Path) -> None:
    """The kill follows the last response at once: a repeated call returns the task of the first one."""
    async with aclosing(lives(tmp_path, **SHORT_LEASE)) as life, watching(await anext(life)) as (api, watcher):
        task_ids = await submit_all(api)
        await anext(life)
        again = [await api.submission(PHOTO, idempotency_key=f"photo-{number}") for number in range(TASKS)]
        assert {answer.task.task_id for answer in again} == task_ids
        assert all(answer.deduplicated for answer in again)
        await watcher.ended(task_ids)
        check(watcher, task_ids, breaks=1)


async def test_with_the_default_lease_the_tasks_of_the_killed_run_again_once_it_is_over(tmp_path: Path) -> None:
    two = {"pool_processes": "2", "worker_slots": "2"}
    async with aclosing(lives(tmp_path, **two)) as life, watching(await anext(life)) as (api, watcher):
        task_ids = await submit_all(api)
        await watcher.completed(2)
        killed_at = datetime.now(UTC)
        await anext(life)
        # The leases were renewed before the kill, and expired ones are only found once a service runs again.
        due = max(killed_at + LEASE, datetime.now(UTC)) + REAP_LEASES_EVERY
        await watcher.ended(task_ids)
        check(watcher, task_ids, breaks=1)

    lost = [event for event in watcher.events if event.type == SNOOZED]
    assert lost, "the kill hit no running task"
    assert {event.task.error.code for event in lost} == {"lease_lost"}
    for event in lost:
        of_it = [other for other in watcher.events if other.task.task_id == event.task.task_id]
        _, second = [other.occurred_at.ToDatetime(tzinfo=UTC) for other in of_it if other.type == STARTED]
        assert second <= due + timedelta(seconds=WITHIN)
