"""The real service in this process, without a worker: the test acts as the worker and decides each task's outcome."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from generator_service.blobs.contract import new_key
from generator_service.bootstrap import Components, parts_of
from generator_service.data_dir import make_data_dir
from generator_service.domain.errors import EngineError
from generator_service.domain.revocation import NewRevocation, Revocation
from generator_service.domain.task import Lease, NewTask, Progress, ResultInfo, Task, TaskState
from generator_service.notifier.contract import Signal, Topic
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from generator_service.store.contract import Retention
from tests.support.late_inspector import LateInspector
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.store import PHOTO, RESULT, new_task, whole_snapshot

EPOCH = "e0"
PICTURE = product_photo(64, 64)
MASK = b"the mask of a result"
THUMBNAIL = product_photo(16, 16, file_format="JPEG")
LEASE = timedelta(minutes=10)
_WORKER = "the test"
_DEFAULTS: dict[str, Any] = {
    "grpc_port": 0,
    "worker_slots": 0,
    "pending_per_user": 5000,
    "retry_base": timedelta(milliseconds=20),
}


@cache
def _usual_settings(secret: str) -> Settings:
    """Read the settings once: that takes longer than many of the tests."""
    return Settings(**_DEFAULTS | {"jwt_secret": SecretStr(secret)})


Player = Callable[["DrivenService"], Coroutine[Any, Any, None]]
"""Acts as the worker from a start to the next stop."""


class DrivenService:
    """A service on one folder and one port, from one start to the next; the initial epoch of its log is `EPOCH`.

    The methods change a task as a worker would, through the service's own store, and return the updated task.
    """

    def __init__(self, folder: Path, secret: str, *, player: Player | None = None, **settings: Any) -> None:
        self._player = player
        self._settings = (
            Settings(**_DEFAULTS | {"data_dir": folder, "jwt_secret": SecretStr(secret)} | settings)
            if settings
            else _usual_settings(secret).model_copy(update={"data_dir": folder})
        )
        self._running: Running | None = None
        self._unserved: Components | None = None
        self._stop = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def target(self) -> str:
        """Its address, which is the same after a restart."""
        return f"127.0.0.1:{self._settings.grpc_port}"

    @property
    def running(self) -> Running:
        """The running service; only between start and stop."""
        assert self._running is not None, "the service is stopped"
        return self._running

    @property
    def watchers(self) -> int:
        """Number of open streams."""
        return len(self.running.feeds.watchers)

    @property
    def replays(self) -> int:
        """Number of replays and snapshots served since the start."""
        return self.running.feeds.count.from_ring + self.database_reads

    @property
    def database_reads(self) -> int:
        """Number of those that read the database."""
        return self.running.feeds.count.from_database

    async def start(self, **changes: Any) -> None:
        """Start serving; changed settings apply to later starts too."""
        self._settings = self._settings.model_copy(update=changes)
        if not self._settings.database.exists():
            await _make_folder(self._settings)
        started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._stop.clear()
        # A separate task, because resources opened in one task have to be closed there.
        self._life = asyncio.create_task(self._live(started))
        async with asyncio.timeout(PATIENCE):
            port = (await started).port
        self._settings = self._settings.model_copy(update={"grpc_port": port})

    async def stop(self) -> None:
        """Stop at once, even with open streams; keep the folder and the port."""
        if self._running is None or self._life is None:
            return
        await self._running.server.stop(None)
        self._stop.set()
        await self._life
        self._running = None

    async def _live(self, started: asyncio.Future[Running]) -> None:
        async with AsyncExitStack() as stack:
            try:
                running = await stack.enter_async_context(running_service(self._settings, LateInspector()))
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
        """Allow changes while it is stopped, as made by a worker on another host."""
        async with parts_of(self._settings) as self._unserved:
            yield
        self._unserved = None

    def restore(self, epoch: str) -> None:
        """Simulate a restore from a backup by changing the epoch. Only while it is stopped."""
        assert self._running is None
        _write_epoch(self._settings.database, epoch)

    def back_up(self) -> Path:
        """Copy the database while the service runs; return the copy's path."""
        backup = self._settings.database.with_name("backup.db")
        with closing(sqlite3.connect(self._settings.database)) as source:
            source.execute("VACUUM INTO ?", (str(backup),))
        return backup

    def bring_back(self, backup: Path) -> None:
        """Restore a copy of the database while the service runs."""
        with closing(sqlite3.connect(backup)) as copy, closing(sqlite3.connect(self._settings.database)) as target:
            copy.backup(target)

    async def submit(self, user: str, *, filename: str = "cup.png", **fields: Any) -> Task:
        """Submit a photo."""
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
        """Start a task as soon as it may run; it has to be the next in the queue."""
        async with asyncio.timeout(PATIENCE):
            # The pause before a retry ends without a signal.
            while not (claimed := await self.work_on_all(at_most=1)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert [task.task_id for task in claimed] == [task_id], "another task is the next"
        return claimed[0]

    async def work_on_all(self, at_most: int = 1000) -> Sequence[Task]:
        """Start every task that may run."""
        return (await self._parts.store.claim(_WORKER, limit=at_most, lease_for=LEASE)).tasks

    async def progress(self, task_id: int, percent: int, stage: str = "segmenting") -> None:
        """Report the progress of a task."""
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
        """Complete a running task with a picture."""
        result: ResultInfo = replace(
            RESULT,
            size_bytes=len(picture),
            sha256=_digest(picture),
            thumbnail_bytes=len(THUMBNAIL),
            blob=await self._put("result", picture),
            thumbnail_blob=await self._put("thumbnail", THUMBNAIL),
            mask_bytes=len(MASK),
            mask_blob=await self._put("mask", MASK),
        )
        return await self._parts.store.complete(await self._lease(task_id), result)

    async def fail(self, task_id: int, code: str = "blocked", message: str = "the photo was refused") -> Task:
        """Fail a running task permanently."""
        failure = EngineError(code, message, retryable=False)
        return await self._parts.store.fail(await self._lease(task_id), failure)

    async def retry(self, task_id: int) -> Task:
        """Fail an attempt: the task waits for the next one."""
        failure = EngineError("engine_crashed", "the engine crashed", retryable=True)
        return await self._parts.store.fail(await self._lease(task_id), failure)

    async def cancel(self, task_id: int) -> Task:
        """Cancel a task."""
        return await self._parts.store.cancel(task_id, None)

    async def revoke(self, session_id: str) -> Revocation:
        """Revoke a session, as another process would."""
        now = self._parts.clock.now()
        new = NewRevocation(session_id=session_id, revoked_at=now, expires_at=now + timedelta(days=1))
        return await self._parts.store.revoke(new)

    async def compact(self, keep: int) -> None:
        """Compact all but each user's latest ``keep`` events."""
        await self._parts.store.compact(Retention(events_for=timedelta(0), events_per_user=keep))

    async def task(self, task_id: int) -> Task:
        """Read a task."""
        return await self._parts.store.get(task_id, None)

    async def submit_many(self, user: str, count: int) -> None:
        """Submit this many photos at once."""
        await asyncio.gather(*(self.submit(user) for _ in range(count)))

    def news(self) -> Signal:
        """Return the signal that is set after every change."""
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
        return [*(await whole_snapshot(self._parts.store, user)).tasks]

    async def image(self, blob: str) -> bytes:
        """Read an image."""
        return await self._parts.blobs.get(blob)

    async def delete_image(self, blob: str) -> None:
        """Delete an image, as if it were lost."""
        await self._parts.blobs.delete(blob)

    @property
    def _parts(self) -> Components:
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
"""The databases of newly set up services. Making one takes longer than most of the tests."""


async def _make_folder(settings: Settings) -> None:
    if not _empty:
        # A separate folder: this service may bind the image folder that it uses.
        with TemporaryDirectory() as folder:
            own = {"data_dir": Path(folder) / "data", "jwt_secret": settings.jwt_secret}
            template = Settings(**_DEFAULTS | own)
            async with running_service(template, LateInspector()):
                pass
            _write_epoch(template.database, EPOCH)
            with closing(sqlite3.connect(template.database)) as connection, connection:
                # Each image folder is bound by the service that first uses it.
                connection.execute("DELETE FROM image_store")
            _empty["database"] = template.database.read_bytes()
    make_data_dir(settings.data_dir)
    settings.database.write_bytes(_empty["database"])


def _write_epoch(database: Path, epoch: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE log_head SET epoch = ?", [epoch])
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
