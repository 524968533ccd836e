"""Job queues as peers, each with a task that only notes how long it waited. Runs in the peers' own environment.

``python -m tools.benchmarks.peer_queues submit TASKS PER_SECOND`` submits and prints the delays, in milliseconds,
and the seconds that all took; PER_SECOND 0 is a burst. The workers are those of the libraries: see `queues.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

ADDRESS = os.environ.get("PEER_ADDRESS", "")
"""URL of Redis, or of PostgreSQL for Procrastinate."""
KIND = os.environ.get("PEER_KIND", "")
PAYLOAD = "x" * 3000
DONE = "done"

if KIND == "celery":
    import redis
    from celery import Celery

    app = Celery("peer", broker=ADDRESS)
    app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=16)
    _redis = redis.Redis.from_url(ADDRESS)

    @app.task
    def note(sent_us: int, payload: str) -> None:  # noqa: ARG001 (the task's load)
        """Note how long this task has waited."""
        _redis.rpush(DONE, time.time_ns() // 1000 - sent_us)

elif KIND == "taskiq":
    import redis.asyncio as aredis
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(ADDRESS)
    _aredis = aredis.Redis.from_url(ADDRESS)

    @broker.task
    async def note_async(sent_us: int, payload: str) -> None:  # noqa: ARG001 (the task's load)
        """Note how long this task has waited."""
        await _aredis.rpush(DONE, time.time_ns() // 1000 - sent_us)

elif KIND == "procrastinate":
    import procrastinate

    papp = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=ADDRESS))

    @papp.task(name="note")
    async def note_job(payload: str) -> None:
        """Nothing: the library's own table of events has the times."""


class Paced:
    """Hands out numbers at a pace, or at once."""

    def __init__(self, tasks: int, per_second: float) -> None:
        self._tasks = tasks
        self._per_second = per_second

    async def __aiter__(self) -> Any:
        began = time.perf_counter()
        for number in range(self._tasks):
            if self._per_second and (ahead := number / self._per_second - (time.perf_counter() - began)) > 0:
                await asyncio.sleep(ahead)
            yield number


async def submit(tasks: int, per_second: float) -> tuple[list[float], float]:
    """Submit tasks; return their delays and the seconds until all had run."""
    if KIND == "procrastinate":
        return await _submit_procrastinate(tasks, per_second)
    import redis.asyncio as aredis

    client = aredis.Redis.from_url(ADDRESS)
    await client.delete(DONE)
    if KIND == "taskiq":
        await broker.startup()
    free, began = asyncio.Semaphore(128), time.perf_counter()

    async def one() -> None:
        now = time.time_ns() // 1000
        if KIND == "taskiq":
            await note_async.kiq(now, PAYLOAD)
        else:
            await asyncio.to_thread(note.delay, now, PAYLOAD)
        free.release()

    async with asyncio.TaskGroup() as group:
        async for _ in Paced(tasks, per_second):
            await free.acquire()
            group.create_task(one())
    while await client.llen(DONE) < tasks:  # noqa: ASYNC110 (Redis announces no length)
        await asyncio.sleep(0.005)
    took = time.perf_counter() - began
    delays = [int(each) / 1e3 for each in await client.lrange(DONE, 0, -1)]
    await client.aclose()
    if KIND == "taskiq":
        await broker.shutdown()
    return delays, took


async def _submit_procrastinate(tasks: int, per_second: float) -> tuple[list[float], float]:
    import psycopg

    async with papp.open_async(), await psycopg.AsyncConnection.connect(ADDRESS, autocommit=True) as connection:
        await connection.execute("TRUNCATE procrastinate_jobs CASCADE")
        free, began = asyncio.Semaphore(128), time.perf_counter()

        async def one() -> None:
            await note_job.defer_async(payload=PAYLOAD)
            free.release()

        async with asyncio.TaskGroup() as group:
            async for _ in Paced(tasks, per_second):
                await free.acquire()
                group.create_task(one())
        done = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        while (await (await connection.execute(done)).fetchone() or (0,))[0] < tasks:  # noqa: ASYNC110 (nor does this)
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        rows = await connection.execute(
            "SELECT 1000 * extract(epoch FROM s.at - d.at) FROM procrastinate_events d JOIN procrastinate_events s"
            " USING (job_id) WHERE d.type = 'deferred' AND s.type = 'started'"
        )
        return [float(row[0]) for row in await rows.fetchall()], took


def main() -> None:
    """Make the schema, or submit."""
    if sys.argv[1] == "schema":
        with papp.open():
            papp.schema_manager.apply_schema()
    else:
        waited, seconds = asyncio.run(submit(int(sys.argv[2]), float(sys.argv[3])))
        print(json.dumps({"delays_ms": waited, "seconds": seconds}))


if __name__ == "__main__":
    # Under its own name: tasks are named after their module, and the worker imports it.
    from tools.benchmarks.peer_queues import main as run

    run()
