"""Services and workers as processes on one database: killing, freezing or disconnecting one loses no task."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.api import SECRET, TERMINAL, Api, Watch, open_channel, token
from tests.support.photos import product_photo
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import Program, ServiceProcess, WorkerProcess, program
from tests.support.redis import RedisServer, redis_server
from whitebg.v1 import event_pb2, task_pb2

pytestmark = pytest.mark.chaos

P = TypeVar("P", bound=Program)

SHORT_LEASE = {"lease": "PT2S", "heartbeat": "PT0.5S"}
PHOTO = product_photo(200, 150)
STARTED, COMPLETED = event_pb2.EVENT_TYPE_STARTED, event_pb2.EVENT_TYPE_COMPLETED


class Cluster:
    """Processes on one database and one folder of images."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self.server = server
        self._folder = folder
        self._url = server.url(server.create())
        self._processes: list[Program] = []

    async def service(self, **settings: str) -> ServiceProcess:
        """Start a service without a worker of its own."""
        return await self._start(
            partial(ServiceProcess, self._folder, SECRET, database_url=self._url, worker_slots="0", **settings)
        )

    async def worker(self, **settings: str) -> WorkerProcess:
        """Start a worker with one slot."""
        return await self._start(partial(WorkerProcess, self._folder, self._url, **settings))

    async def _start(self, start: Callable[[], P]) -> P:
        process = await asyncio.to_thread(start)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.close()


@pytest.fixture
def cluster(tmp_path: Path, postgres: PostgresServer) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, postgres)
    yield cluster
    cluster.close()


@asynccontextmanager
async def caller(service: ServiceProcess, user: str = "ann") -> AsyncIterator[Api]:
    async with open_channel(service.target) as channel:
        yield Api(channel, user, token(user))


async def check_log(api: Api, task_ids: set[int], watch: Watch) -> None:
    """Check that each task completed once, and that the watcher received the whole log in order."""
    history = (await api.events(page_size=1000)).events
    assert [event.seq for event in history] == list(range(1, len(history) + 1))
    assert [event.cursor for event in watch.events] == [event.cursor for event in history]
    ended = [event.task.task_id for event in history if event.type in TERMINAL]
    assert sorted(ended) == sorted(task_ids)
    assert {event.type for event in history if event.type in TERMINAL} == {COMPLETED}


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


async def test_tasks_go_to_workers_of_other_processes_and_progress_to_watchers_of_another_service(
    cluster: Cluster,
) -> None:
    here, there = await cluster.service(), await cluster.service()
    await cluster.worker()
    async with caller(here) as submitter, caller(there) as watcher, watcher.watch() as watch:
        task = await submitter.submit(PHOTO)
        await watch.until_ended(task.task_id)
        progress = [item.progress for item in watch.items if item.HasField("progress")]
        assert {news.task_id for news in progress} == {task.task_id}
        assert max(news.progress for news in progress) > 0
        assert (await submitter.get(task.task_id)).state == task_pb2.TASK_STATE_COMPLETED
        await check_log(submitter, {task.task_id}, watch)


async def test_redis_carries_the_hints_and_may_die_and_return(cluster: Cluster) -> None:
    with redis_server() as redis:
        here, there = await cluster.service(redis_url=redis.url), await cluster.service(redis_url=redis.url)
        await cluster.worker(redis_url=redis.url)
        async with caller(here) as submitter, caller(there) as watcher, watcher.watch() as watch:
            for act in (lambda _: None, RedisServer.kill, RedisServer.start):
                await asyncio.to_thread(act, redis)
                task = await submitter.submit(PHOTO)
                await watch.until_ended(task.task_id)
            assert any(item.HasField("progress") for item in watch.items)


async def test_a_killed_worker_costs_no_task(cluster: Cluster) -> None:
    service = await cluster.service()
    workers = [await cluster.worker(**SHORT_LEASE) for _ in range(3)]
    async with caller(service) as api, api.watch() as watch:
        task_ids = {(await api.submit(PHOTO)).task_id for _ in range(12)}
        for worker in workers[:2]:
            await watch.until_event(STARTED)
            await asyncio.to_thread(worker.kill)
        await watch.until_ended(*task_ids)
        await check_log(api, task_ids, watch)


async def test_a_worker_that_was_frozen_is_not_heard_any_more(cluster: Cluster) -> None:
    """Its picture is ready when it resumes, but by then another worker holds the task."""
    service = await cluster.service()
    frozen = await cluster.worker(**SHORT_LEASE)
    async with caller(service) as api, api.watch() as watch:
        (engine,) = frozen.children
        signal_all([engine], signal.SIGSTOP)
        task = await api.submit(PHOTO)
        await watch.until_event(STARTED, task.task_id)
        signal_all([frozen.pid], signal.SIGSTOP)
        signal_all([engine], signal.SIGCONT)

        other = await cluster.worker(**SHORT_LEASE)
        await watch.until_ended(task.task_id)
        done = await api.get(task.task_id)
        assert (done.state, done.attempt) == (task_pb2.TASK_STATE_COMPLETED, 2)

        signal_all([frozen.pid], signal.SIGCONT)
        # It works normally again: with the other one killed, it runs the next task.
        await asyncio.to_thread(other.kill)
        following = await api.submit(PHOTO)
        await watch.until_ended(following.task_id)
        await check_log(api, {task.task_id, following.task_id}, watch)
        assert await api.get(task.task_id) == done


async def test_a_restart_of_the_database_costs_no_task(cluster: Cluster, tmp_path: Path) -> None:
    with postgres_server() as server:
        own = Cluster(tmp_path, server)
        try:
            service = await own.service()
            for _ in range(2):
                await own.worker()
            async with caller(service) as api, api.watch() as watch:
                task_ids = set()
                for stop in (server.stop, server.kill):
                    task_ids |= {(await api.submit(PHOTO)).task_id for _ in range(6)}
                    await asyncio.to_thread(stop)
                    await asyncio.to_thread(server.start)
                    task_ids.add((await api.submit(PHOTO)).task_id)
                await watch.until_ended(*task_ids)
                await check_log(api, task_ids, watch)
        finally:
            own.close()


async def test_a_worker_drains(cluster: Cluster) -> None:
    service = await cluster.service()
    worker = await cluster.worker()
    async with caller(service) as api, api.watch() as watch:
        (engine,) = worker.children
        signal_all([engine], signal.SIGSTOP)
        task = await api.submit(PHOTO)
        await watch.until_event(STARTED, task.task_id)
        worker.terminate()
        await asyncio.to_thread(worker.wait_for, "draining")
        signal_all([engine], signal.SIGCONT)
        assert await asyncio.to_thread(worker.wait) == 0
        assert "drained" in worker.output
        await watch.until_ended(task.task_id)
        assert (await api.get(task.task_id)).attempt == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "WHITEBG_DATABASE_URL"),
        ({"database_url": "mysql://x"}, "WHITEBG_DATABASE_URL: must begin with postgresql://"),
        ({"database_url": "postgresql://u:hunter2@h:port/x"}, "WHITEBG_DATABASE_URL: the port must be"),
        ({"database_url": "postgresql://postgres@127.0.0.1:1/x", "worker_slots": "0"}, "WHITEBG_WORKER_SLOTS"),
    ],
)
def test_a_worker_without_what_it_needs_says_so(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    argv = [sys.executable, "-m", "generator_service", "worker"]
    with program(argv, data_dir=str(tmp_path), jwt_secret=SECRET, **settings) as process:
        assert process.wait() == 2, process.output
        assert said in process.output
        assert "Traceback" not in process.output
        assert "hunter2" not in process.output
