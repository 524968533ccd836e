"""The real service in this process, without a worker: a test plays it, and decides what becomes of each task."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from generator_service.blobs.contract import new_key
from generator_service.data_dir import make_data_dir
from generator_service.domain.errors import EngineError
from generator_service.domain.task import Lease, NewTask, Progress, ResultInfo, Task, TaskState
from generator_service.parts import Parts, parts_of
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from generator_service.store.contract import Retention
from generator_service.wake.contract import Signal, Topic
from tests.support.photos import product_photo
from tests.support.processes import PATIENCE
from tests.support.store import PHOTO, RESULT, new_task

EPOCH = "e0"
PICTURE = product_photo(64, 64)
THUMBNAIL = product_photo(16, 16, file_format="JPEG")
LEASE = timedelta(minutes=10)
_WORKER = "the test"
_DEFAULTS: dict[str, Any] = {
    "grpc_port": 0,
    "worker_slots": 0,
    "pending_per_user": 5000,
    "retry_base": timedelta(milliseconds=20),
}


Player = Callable[["DrivenService"], Coroutine[Any, Any, None]]
"""Plays the worker from a start to the next stop."""


class DrivenService:
    """A service on one folder and one port, from one start to the next; the epoch of its log is `EPOCH` at first.

    The verbs do to a task what a worker would, through the service's own store, and return the task as it is then.
    """

    def __init__(self, folder: Path, secret: str, *, player: Player | None = None, **settings: Any) -> None:
        self._player = player
        self._settings = Settings(**_DEFAULTS | {"data_dir": folder, "jwt_secret": SecretStr(secret)} | settings)
        self._running: Running | None = None
        self._unserved: Parts | None = None
        self._stop = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def target(self) -> str:
        """Its address, which stays."""
        return f"127.0.0.1:{self._settings.grpc_port}"

    @property
    def running(self) -> Running:
        """What runs; only while it does."""
        assert self._running is not None, "the service is stopped"
        return self._running

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return len(self.running.feeds.watchers)

    @property
    def replays(self) -> int:
        """How many replays and snapshots it has served since its start."""
        return self.running.feeds.count.from_ring + self.database_reads

    @property
    def database_reads(self) -> int:
        """How many of these took the database."""
        return self.running.feeds.count.from_database

    async def start(self, **changes: Any) -> None:
        """Serve, with these settings changed for good."""
        self._settings = self._settings.model_copy(update=changes)
        if not self._settings.database.exists():
            await _make_folder(self._settings)
        started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._stop.clear()
        # A task of its own, for what is opened in one task has to be closed there.
        self._life = asyncio.create_task(self._live(started))
        async with asyncio.timeout(PATIENCE):
            port = (await started).port
        self._settings = self._settings.model_copy(update={"grpc_port": port})

    async def stop(self) -> None:
        """End at once, whatever is open; the folder and the port are kept."""
        if self._running is None or self._life is None:
            return
        await self._running.server.stop(None)
        self._stop.set()
        await self._life
        self._running = None

    async def _live(self, started: asyncio.Future[Running]) -> None:
        async with AsyncExitStack() as stack:
            try:
                running = await stack.enter_async_context(running_service(self._settings))
            except BaseException as error:
                started.set_exception(error)
                raise
            self._running = running
            started.set_result(running)
            if self._player is None:
                await self._stop.wait()
            else:
                await self._play(self._player)

    async def _play(self, player: Player) -> None:
        playing = asyncio.create_task(player(self))
        await self._stop.wait()
        playing.cancel()
        for outcome in await asyncio.gather(playing, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), f"the player ended before the service: {outcome!r}"

    @asynccontextmanager
    async def unserved(self) -> AsyncIterator[None]:
        """Let the verbs work while it is stopped, as a worker on another host would go on."""
        async with parts_of(self._settings) as self._unserved:
            yield
        self._unserved = None

    def restore(self, epoch: str) -> None:
        """Come back from a backup, as far as clients can tell: another epoch. Only while it is stopped."""
        assert self._running is None
        _write_epoch(self._settings.database, epoch)

    async def submit(self, user: str, *, filename: str = "cup.png", **fields: Any) -> Task:
        """Put a photo in the queue."""
        blob = await self._put("input", PICTURE)
        photo = replace(
            PHOTO,
            filename=filename,
            format="PNG",
            width=64,
            height=64,
            size_bytes=len(PICTURE),
            sha256=_digest(PICTURE),
        )
        new: NewTask = replace(new_task(user), input=replace(photo, blob=blob), **fields)
        return (await self._parts.store.enqueue(new)).task

    async def work(self, task_id: int) -> Task:
        """Begin with a task, as soon as it may run; it has to be the next in the queue."""
        async with asyncio.timeout(PATIENCE):
            # The pause before a retry ends without a signal.
            while not (claimed := await self._parts.store.claim(_WORKER, limit=1, lease_for=LEASE)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert [task.task_id for task in claimed] == [task_id], "another task is the next"
        return claimed[0]

    async def work_on_all(self) -> Sequence[Task]:
        """Begin with every task that may run."""
        return await self._parts.store.claim(_WORKER, limit=1000, lease_for=LEASE)

    async def progress(self, task_id: int, percent: int, stage: str = "segmenting") -> None:
        """Tell how far a task is."""
        task = await self.task(task_id)
        now = self._parts.clock.now()
        self._parts.wake.publish(
            Progress(
                task_id=task_id,
                user_id=task.user_id,
                attempt=task.attempt,
                percent=percent,
                stage=stage,
                updated_at=now,
            )
        )

    async def complete(self, task_id: int, picture: bytes = PICTURE) -> Task:
        """End a task that is worked on with a picture."""
        result: ResultInfo = replace(
            RESULT,
            size_bytes=len(picture),
            sha256=_digest(picture),
            thumbnail_bytes=len(THUMBNAIL),
            blob=await self._put("result", picture),
            thumbnail_blob=await self._put("thumbnail", THUMBNAIL),
        )
        return await self._parts.store.complete(await self._lease(task_id), result)

    async def fail(self, task_id: int, code: str = "blocked", message: str = "the photo was refused") -> Task:
        """End a task that is worked on for good."""
        failure = EngineError(code, message, retryable=False)
        return await self._parts.store.fail(await self._lease(task_id), failure)

    async def retry(self, task_id: int) -> Task:
        """End an attempt: the task waits for the next one."""
        failure = EngineError("engine_crashed", "the engine crashed", retryable=True)
        return await self._parts.store.fail(await self._lease(task_id), failure)

    async def cancel(self, task_id: int) -> Task:
        """Cancel a task."""
        return await self._parts.store.cancel(task_id, None)

    async def compact(self, keep: int) -> None:
        """Drop all but each user's latest ``keep`` events."""
        await self._parts.store.compact(Retention(events_for=timedelta(0), events_per_user=keep))

    async def task(self, task_id: int) -> Task:
        """Read a task."""
        return await self._parts.store.get(task_id, None)

    async def submit_many(self, user: str, count: int) -> None:
        """Put so many photos in the queue, at once."""
        await asyncio.gather(*(self.submit(user) for _ in range(count)))

    def news(self) -> Signal:
        """Return what is set after every change."""
        return self._parts.wake.subscribe(Topic.LOG)

    async def reached(self, task_id: int, state: TaskState) -> None:
        """Wait until a task is in a state."""
        news = self.news()
        async with asyncio.timeout(PATIENCE):
            while (await self.task(task_id)).state is not state:
                await news.wait(PATIENCE)
        news.close()

    async def tasks(self, user: str) -> list[Task]:
        """Read all tasks of a user, oldest first."""
        return [*(await self._parts.store.snapshot(user)).tasks]

    async def image(self, blob: str) -> bytes:
        """Read an image."""
        return await self._parts.blobs.get(blob)

    @property
    def _parts(self) -> Parts:
        return self._unserved or self.running.parts

    async def _lease(self, task_id: int) -> Lease:
        return (await self.task(task_id)).lease

    async def _put(self, kind: str, data: bytes) -> str:
        key = new_key(kind)
        await self._parts.blobs.put(key, data, content_type="image/png")
        return key


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_empty: dict[str, bytes] = {}
"""The database of a service that has just been set up. To make it takes longer than most of the tests do."""


async def _make_folder(settings: Settings) -> None:
    if not _empty:
        async with running_service(settings):
            pass
        _write_epoch(settings.database, EPOCH)
        _empty["database"] = settings.database.read_bytes()
    make_data_dir(settings.data_dir)
    settings.database.write_bytes(_empty["database"])


def _write_epoch(database: Path, epoch: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE log_head SET epoch = ?", [epoch])
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
