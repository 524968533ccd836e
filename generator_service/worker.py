"""Claims tasks, runs their engines, and writes down what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from generator_service.blobs.contract import BlobMissing, Blobs, BlobsAway, discard, new_key
from generator_service.domain.clock import Clock
from generator_service.domain.errors import EngineError, InvalidRequest, LeaseLost
from generator_service.domain.event import TaskEvent
from generator_service.domain.presets import resolve
from generator_service.domain.task import Lease, Progress, ResultInfo, Task
from generator_service.engines.base import Picture
from generator_service.engines.registry import Engines
from generator_service.metrics import Metrics, Outcome
from generator_service.store.contract import Beat, TaskStore
from generator_service.wake.contract import Topic, Wake

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
THUMBNAIL_TYPE = "image/jpeg"
AWAY_FOR = timedelta(seconds=15)
"""How long a place of images that could not be reached is left alone by the task that noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker works."""

    owner: str
    """Unique among all workers, ever."""
    slots: int
    """Tasks at once."""
    lease: timedelta = timedelta(seconds=15)
    heartbeat: timedelta = timedelta(seconds=5)
    drain: timedelta = timedelta(seconds=20)
    """How long running tasks may go on after a stop was asked for."""


@dataclass(slots=True)
class _Run:
    """One attempt in this worker's hands."""

    task: Task
    percent: int = 0
    stage: str = "starting"
    ending: bool = False
    """Whether its end is being written: whose word counts is then the store's to say."""
    activity: asyncio.Task[None] = field(init=False)

    @property
    def lease(self) -> Lease:
        return self.task.lease

    def stop(self) -> None:
        """Stop the work, unless nothing is left to do but to write down what came of it."""
        if not self.ending:
            self.activity.cancel()


class Slots:
    """A worker's free slots, counted across threads."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._open = True
        self._lock = threading.Lock()

    def take_all(self) -> int:
        """Take all free slots; none once closed."""
        with self._lock:
            if not self._open:
                return 0
            taken, self._free = self._free, 0
            return taken

    def give_back(self, count: int) -> None:
        """Make slots free again."""
        with self._lock:
            self._free += count

    def close(self) -> None:
        """Give out no more."""
        with self._lock:
            self._open = False


class Worker:
    """Runs tasks until it is told to drain.

    Whatever happens to it, no task is lost: a lease that is not renewed runs out, and another worker takes over;
    what this one still says about the task is then refused by the store.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        store: TaskStore,
        wake: Wake,
        blobs: Blobs,
        engines: Engines,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._wake = wake
        self._blobs = blobs
        self._engines = engines
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._loop = asyncio.get_running_loop()
        self._slots = Slots(settings.slots)
        self._runs: dict[int, _Run] = {}
        self._draining = asyncio.Event()

    async def run(self) -> None:
        """Claim and run tasks until `drain` is called; then see the running ones off."""
        self._store.claim_along(self)
        work = self._wake.subscribe(Topic.WORK)
        beating = asyncio.create_task(self._beat(), name="heartbeat")
        draining = asyncio.create_task(self._draining.wait(), name="draining")
        try:
            while not self._draining.is_set():
                pause = await self._claim()
                waiting = {asyncio.create_task(work.wait(pause)), draining}
                done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for unfinished in pending - {draining}:
                    unfinished.cancel()
                for finished in done - {draining}:
                    finished.result()
            await self._see_off()
        finally:
            work.close()
            draining.cancel()
            beating.cancel()
            await self._abandon(list(self._runs.values()))
            await asyncio.gather(draining, beating, return_exceptions=True)

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the running tasks have ended or been given back."""
        self._slots.close()
        self._draining.set()

    def notice(self, events: Sequence[TaskEvent]) -> None:
        """Stop attempts that, as the log says, are no longer this worker's. A listener of the log's tail."""
        for event in events:
            run = self._runs.get(event.task.task_id)
            if run is not None and event.task.seq > run.task.seq and event.task.lease_owner is None:
                run.stop()

    @property
    def owner(self) -> str:
        """Name of the worker; see `Claimant`."""
        return self._settings.owner

    @property
    def lease_for(self) -> timedelta:
        """How long its leases hold; see `Claimant`."""
        return self._settings.lease

    def reserve(self) -> int:
        """Take all free slots; see `Claimant`."""
        return self._slots.take_all()

    def deliver(self, tasks: Sequence[Task], reserved: int) -> None:
        """Run tasks that were claimed along; see `Claimant`."""
        self._slots.give_back(reserved - len(tasks))
        if tasks:
            self._loop.call_soon_threadsafe(self._start, tasks)

    def _start(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            run = _Run(task)
            self._runs[task.task_id] = run
            run.activity = self._loop.create_task(self._attempt(run), name=f"task-{task.task_id}")

    async def _claim(self) -> float:
        """Fill the free slots; return how long to wait for a hint, in seconds.

        Most claims ride along with the commit that makes a task runnable. This finds the others: retries whose time
        has come, and what another process has written.
        """
        free = self._slots.take_all()
        if free == 0:
            # The end of a run is announced as work; the poll is only a net below.
            return POLL_SECONDS
        began = self._clock.now()
        claimed: Sequence[Task] = ()
        try:
            claimed = await self._store.claim(self.owner, limit=free, lease_for=self.lease_for)
            self._start(claimed)
        except Exception:
            logger.exception("claiming failed; trying again")
            return POLL_SECONDS
        finally:
            self._slots.give_back(free - len(claimed))
        try:
            next_run_at = None if len(claimed) == free else await self._store.next_run_at(after=began)
        except Exception:
            logger.exception("looking for the next retry failed; trying again")
            return POLL_SECONDS
        if next_run_at is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.01, (next_run_at - self._clock.now()).total_seconds()))

    async def _attempt(self, run: _Run) -> None:
        """Run one attempt; its end is written down, unless the task is somebody else's by now."""
        task = run.task
        log = {"task_id": task.task_id, "attempt": task.attempt, "user_id": task.user_id}
        # What ends an attempt without a word of its own, such as a cancellation, leaves the task to somebody else.
        outcome = Outcome.LOST
        result = None
        self._metrics.run_began()
        try:
            picture = await self._within_timeout(run)
            result = None if picture is None else await self._keep(picture)
            run.ending = True
            if result is None:
                await self._store.time_out(run.lease)
                outcome = Outcome.TIMED_OUT
            else:
                await self._store.complete(run.lease, result)
                outcome = Outcome.COMPLETED
        except LeaseLost:
            logger.info("the task is no longer held by this worker; what came of it is dropped", extra=log)
            if result is not None:
                await discard(self._blobs, result.blob, result.thumbnail_blob)
        except EngineError as failure:
            outcome = Outcome.FAILED
            logger.info("attempt failed: %s", failure, extra=log | {"code": failure.code})
            await self._fail(run, failure)
        except BlobsAway as away:
            outcome = Outcome.FAILED
            logger.warning("attempt failed: %s", away, extra=log | {"code": "images_away"})
            await self._fail(run, EngineError("images_away", str(away), retryable=True, retry_after=AWAY_FOR))
        except Exception:
            outcome = Outcome.FAILED
            logger.exception("attempt failed unexpectedly", extra=log)
            await self._fail(run, EngineError("internal", "something unexpected went wrong", retryable=True))
        finally:
            self._metrics.run_ended(task.options.engine, outcome)
            if self._runs.get(task.task_id) is run:
                del self._runs[task.task_id]
            self._slots.give_back(1)
            self._wake.announce(Topic.WORK)

    async def _within_timeout(self, run: _Run) -> Picture | None:
        """Run the engine; None if it took longer than the task allows."""
        try:
            async with asyncio.timeout(run.task.timeout.total_seconds()) as deadline:
                return await self._generate(run)
        except TimeoutError:
            if not deadline.expired():
                raise
            return None

    async def _generate(self, run: _Run) -> Picture:
        task = run.task

        def report(percent: int, stage: str) -> None:
            run.percent, run.stage = max(run.percent, percent), stage
            self._wake.publish(
                Progress(
                    task_id=task.task_id,
                    user_id=task.user_id,
                    attempt=task.attempt,
                    percent=run.percent,
                    stage=stage,
                    updated_at=self._clock.now(),
                )
            )

        try:
            photo = await self._blobs.get(task.input.blob)
        except BlobMissing:
            raise EngineError(
                "input_missing", "the photo is not in the blob store any more; submit it again", retryable=False
            ) from None
        try:
            engine = self._engines.require(task.options.engine)
        except InvalidRequest as error:
            raise EngineError("engine_unavailable", error.message, retryable=False) from error
        began = time.monotonic()
        picture = await engine.generate(photo, resolve(task.options), report)
        self._metrics.picture_made(picture.engine, time.monotonic() - began)
        return picture

    async def _keep(self, picture: Picture) -> ResultInfo:
        result = ResultInfo(
            engine=picture.engine,
            format=picture.format,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=hashlib.sha256(picture.data).hexdigest(),
            fill=picture.fill,
            confidence=picture.confidence,
            warnings=picture.warnings,
            report=picture.report,
            blob=new_key("result", f".{picture.format.value}"),
            thumbnail_blob=new_key("thumbnail", ".jpg"),
            thumbnail_bytes=len(picture.thumbnail),
        )
        try:
            await self._blobs.put(result.blob, picture.data, content_type=picture.format.content_type)
            await self._blobs.put(result.thumbnail_blob, picture.thumbnail, content_type=THUMBNAIL_TYPE)
        except BaseException:
            # Stopped, or away: no task will ever name them.
            await discard(self._blobs, result.blob, result.thumbnail_blob)
            raise
        return result

    async def _fail(self, run: _Run, failure: EngineError) -> None:
        """Write down a failed attempt. If even that fails, the lease runs out and the task is tried again."""
        run.ending = True
        try:
            await self._store.fail(run.lease, failure)
        except LeaseLost:
            logger.info("the task is no longer held by this worker", extra={"task_id": run.task.task_id})
        except Exception:
            logger.exception("a failed attempt could not be recorded", extra={"task_id": run.task.task_id})

    async def _beat(self) -> None:
        """Prolong all leases, and stop attempts whose lease is lost."""
        while True:
            await asyncio.sleep(self._settings.heartbeat.total_seconds())
            runs = list(self._runs.values())
            if not runs:
                continue
            beats = [Beat(run.lease, run.percent, run.stage) for run in runs]
            try:
                lost = set(await self._store.heartbeat(beats, lease_for=self._settings.lease))
            except Exception:
                logger.exception("heartbeat failed; trying again")
                continue
            for run in runs:
                if run.lease in lost:
                    run.stop()

    async def _see_off(self) -> None:
        """Let running tasks end; those that take longer than the drain time are given back."""
        # What was claimed along before the slots were closed has been delivered when a later write is done.
        await self._store.heartbeat((), lease_for=self.lease_for)
        runs = list(self._runs.values())
        if runs:
            await asyncio.wait([run.activity for run in runs], timeout=self._settings.drain.total_seconds())

    async def _abandon(self, runs: Sequence[_Run]) -> None:
        for run in runs:
            run.activity.cancel()
        await asyncio.gather(*(run.activity for run in runs), return_exceptions=True)
        for run in runs:
            try:
                await self._store.release(run.lease)
            except LeaseLost:
                continue
