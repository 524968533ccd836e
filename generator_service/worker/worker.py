"""Claims tasks, runs engines and records the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import version

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.domain.breaker import Breaker, Outage
from generator_service.domain.clock import Clock
from generator_service.domain.errors import EngineError, LeaseLost, WhitebgError
from generator_service.domain.event import TaskEvent
from generator_service.domain.routing import Routing
from generator_service.domain.task import Lease, Progress, Task
from generator_service.domain.worker_info import WorkerInfo
from generator_service.engines.base import Picture
from generator_service.engines.metering import AttemptMeter
from generator_service.engines.registry import Engines
from generator_service.engines.work_timeout import WorkTimeout
from generator_service.images import Images
from generator_service.notifier.contract import Notifier, Topic
from generator_service.ops.metrics import Metrics, Outcome
from generator_service.store.contract import LEASE, Beat, Claimed, TaskStore
from generator_service.worker.attempt_errors import classify
from generator_service.worker.generation import Generation
from generator_service.worker.maintenance import every
from generator_service.worker.presence import Presence
from whitebg_process.event_loops import call_in_loop

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
HEARTBEAT_RETRY_SECONDS = 1.0
"""Delay after a failed heartbeat, short because the lease continues to expire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Settings of a worker."""

    owner: str
    """Unique among all workers, past and future."""
    slots: int
    """Number of concurrent tasks."""
    lease: timedelta = LEASE
    heartbeat: timedelta = timedelta(seconds=5)
    drain: timedelta = timedelta(seconds=20)
    """How long running tasks may continue after a stop was requested."""


@dataclass(slots=True)
class _Run:
    """One attempt run by this worker."""

    task: Task
    breakers: Mapping[str, Breaker]
    """As its claim found and left them."""
    percent: int = 0
    stage: str = "starting"
    ending: bool = False
    """Whether the outcome is being recorded: the store then decides which result wins."""
    holds_slot: bool = True
    outcome: Outcome = Outcome.LOST
    """The outcome; LOST until one is recorded."""
    meter: AttemptMeter = field(default_factory=AttemptMeter)
    activity: asyncio.Task[None] = field(init=False)

    @property
    def lease(self) -> Lease:
        return self.task.lease

    def stop(self) -> None:
        """Stop the work, unless only its outcome remains to be recorded."""
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

    def release(self, count: int) -> None:
        """Release slots."""
        with self._lock:
            self._free += count

    def close(self) -> None:
        """Close, so that no more slots can be taken."""
        with self._lock:
            self._open = False


class Worker:
    """Runs tasks until it is drained.

    If it fails, no task is lost: a lease that is not renewed expires, and another worker takes over;
    the store then rejects late results of this one.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        store: TaskStore,
        wake: Notifier,
        images: Images,
        engines: Engines,
        clock: Clock,
        metrics: Metrics | None = None,
        routing: Routing | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._wake = wake
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._generation = Generation(
            store=store,
            images=images,
            engines=engines,
            routing=routing or Routing(order=engines.order),
            metrics=self._metrics,
        )
        self._presence = Presence(
            store.admin,
            WorkerInfo(
                name=settings.owner,
                host=socket.gethostname(),
                version=version("whitebg-server"),
                slots=settings.slots,
                engines=engines.order,
            ),
            lasts=settings.lease,
        )
        self._loop = asyncio.get_running_loop()
        self._slots = Slots(settings.slots)
        self._runs: dict[int, _Run] = {}
        self._draining = asyncio.Event()
        self._beat_now = asyncio.Event()
        """Set when usage must not wait for the next heartbeat: a paid call began."""

    async def run(self) -> None:
        """Claim and run tasks until `drain` is called; then drain the running ones."""
        self._store.claim_within_commits(self, owner=self.owner, lease_for=self.lease_for)
        work = self._wake.subscribe(Topic.TASKS_READY)
        beating = asyncio.create_task(self._send_heartbeats(), name="heartbeat")
        present = asyncio.create_task(every(self._settings.heartbeat, self._presence), name="presence")
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
            await self._drain()
        finally:
            work.close()
            draining.cancel()
            beating.cancel()
            present.cancel()
            await self._abandon(list(self._runs.values()))
            await asyncio.gather(draining, beating, present, return_exceptions=True)
            await self._presence.end()

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the running tasks have ended or been released."""
        self._slots.close()
        self._draining.set()

    def notice(self, events: Sequence[TaskEvent]) -> None:
        """Stop attempts that this worker no longer holds according to the log. A listener of the log's tail."""
        for event in events:
            run = self._runs.get(event.task.task_id)
            if run is not None and event.task.seq > run.task.seq and event.task.lease_owner is None:
                run.stop()

    def beats(self) -> list[Beat]:
        """Return a heartbeat for every running attempt."""
        return [Beat(run.lease, run.percent, run.stage, run.meter.usage()) for run in self._runs.values()]

    @property
    def owner(self) -> str:
        """Name of the worker."""
        return self._settings.owner

    @property
    def lease_for(self) -> timedelta:
        """Duration of its leases."""
        return self._settings.lease

    def reserve(self) -> int:
        """Take all free slots; see `Claimant`."""
        return self._slots.take_all()

    def deliver(self, claimed: Claimed, reserved: int) -> None:
        """Run tasks that were claimed with a commit; see `Claimant`."""
        self._slots.release(reserved - len(claimed.tasks))
        if claimed.tasks:
            call_in_loop(self._loop, self._start, claimed)

    def _start(self, claimed: Claimed) -> None:
        for task in claimed.tasks:
            run = _Run(task, claimed.breakers)
            self._runs[task.task_id] = run
            self._metrics.run_began()
            run.activity = self._loop.create_task(self._attempt(run), name=f"task-{task.task_id}")
            # Not in the coroutine: if cancelled before its first step, it never runs, and its slot would leak.
            run.activity.add_done_callback(partial(self._ended, run))

    def _ended(self, run: _Run, activity: asyncio.Task[None]) -> None:
        """Release the slot of a run and remove it, whether or not it succeeded."""
        if not activity.cancelled() and (error := activity.exception()) is not None:
            logger.error("recording an attempt failed", exc_info=error, extra={"task_id": run.task.task_id})
        self._metrics.run_ended(run.task.options.engine, run.outcome)
        if self._runs.get(run.task.task_id) is run:
            del self._runs[run.task.task_id]
        self._free_slot(run)
        if run.outcome is Outcome.LOST:
            self._wake.notify(Topic.TASKS_READY)

    def _begin_end(self, run: _Run) -> None:
        """Let only the outcome remain to be recorded; the transaction that does so claims the next task."""
        run.ending = True
        self._free_slot(run)

    def _free_slot(self, run: _Run) -> None:
        if run.holds_slot:
            run.holds_slot = False
            self._slots.release(1)

    async def _claim(self) -> float:
        """Fill the free slots; return how long to wait for a hint, in seconds.

        Most claims are part of the commit that makes a task runnable. This one finds the others: retries that are due,
        and tasks that another process has stored.
        """
        free = self._slots.take_all()
        if free == 0:
            # The commit that ends a run claims the next task; the poll is only a fallback.
            return POLL_SECONDS
        began = self._clock.monotonic()
        claimed = Claimed()
        try:
            claimed = await self._store.claim(self.owner, limit=free, lease_for=self.lease_for)
            self._start(claimed)
        except Exception:
            logger.exception("claiming failed; trying again")
            return POLL_SECONDS
        finally:
            self._slots.release(free - len(claimed.tasks))
        try:
            since = timedelta(seconds=self._clock.monotonic() - began)
            due = None if len(claimed.tasks) == free else await self._store.next_due(since=since)
        except Exception:
            logger.exception("looking for the next retry failed; trying again")
            return POLL_SECONDS
        return POLL_SECONDS if due is None else min(POLL_SECONDS, max(0.01, due.total_seconds()))

    async def _attempt(self, run: _Run) -> None:
        """Run one attempt and record its outcome, unless another worker holds the task by then."""
        log = {"task_id": run.task.task_id, "attempt": run.task.attempt, "user_id": run.task.user_id}
        result = None
        try:
            picture = await self._within_timeout(run)
            if picture is None:
                self._begin_end(run)
                await self._store.time_out(run.lease, usage=run.meter.usage())
                run.outcome = Outcome.TIMED_OUT
            else:
                result, small_images = await self._generation.keep(picture)
                self._begin_end(run)
                await self._store.complete(run.lease, result, small_images, usage=run.meter.usage())
                run.outcome = Outcome.COMPLETED
        except LeaseLost:
            logger.info("lease lost; discarding the result", extra=log)
            if result is not None:
                await self._generation.drop(result)
        except Exception as error:
            self._begin_end(run)
            verdict = classify(error, run.meter.engine)
            if isinstance(error, WhitebgError | BlobStoreUnavailable):
                logger.info("attempt ended without a result: %s", error, extra=log | {"code": verdict.code})
            else:
                logger.exception("attempt failed unexpectedly", extra=log)
            await self._set_back(run, verdict)

    async def _within_timeout(self, run: _Run) -> Picture | None:
        """Run the engine; None if its work exceeded the task's timeout. Waiting for a process is not work."""
        try:
            async with WorkTimeout(run.task.timeout.total_seconds()) as deadline:
                with run.meter.measuring(deadline, on_call=self._beat_now.set):
                    report = partial(self._report, run)
                    return await self._generation.make(run.task, run.breakers, report, run.meter.use)
        except TimeoutError:
            if not deadline.expired():
                raise
            return None

    def _report(self, run: _Run, percent: int, stage: str) -> None:
        task = run.task
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

    async def _set_back(self, run: _Run, verdict: Outage | EngineError) -> None:
        """Record that the task waits, or that its attempt failed. If that fails too, the lease expires."""
        try:
            if isinstance(verdict, Outage):
                await self._store.snooze(run.lease, verdict, usage=run.meter.usage())
                run.outcome = Outcome.SNOOZED
            else:
                await self._store.fail(run.lease, verdict, usage=run.meter.usage())
                run.outcome = Outcome.FAILED
        except LeaseLost:
            logger.info("lease lost; discarding the outcome", extra={"task_id": run.task.task_id})
        except Exception:
            logger.exception("recording an attempt failed", extra={"task_id": run.task.task_id})

    async def _send_heartbeats(self) -> None:
        """Renew all leases, and stop attempts whose lease is lost."""
        regular = self._settings.heartbeat.total_seconds()
        pause = regular
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._beat_now.wait(), pause)
            self._beat_now.clear()
            pause = regular
            runs = list(self._runs.values())
            if not runs:
                continue
            try:
                lost = set(await self._store.heartbeat(self.beats(), lease_for=self.lease_for))
            except Exception:
                logger.exception("heartbeat failed; trying again")
                pause = min(regular, HEARTBEAT_RETRY_SECONDS)
                continue
            for run in runs:
                if run.lease in lost:
                    run.stop()

    async def _drain(self) -> None:
        """Wait for running tasks to end; those that exceed the drain time are released."""
        # Tasks claimed before the slots were closed are delivered before a later write completes.
        await self._store.heartbeat((), lease_for=self.lease_for)
        runs = list(self._runs.values())
        if runs:
            await asyncio.wait([run.activity for run in runs], timeout=self._settings.drain.total_seconds())

    async def _abandon(self, runs: Sequence[_Run]) -> None:
        for run in runs:
            run.activity.cancel()
        await asyncio.gather(*(run.activity for run in runs), return_exceptions=True)
        outcomes = await asyncio.gather(
            *(self._store.release(run.lease, usage=run.meter.usage()) for run in runs), return_exceptions=True
        )
        for run, outcome in zip(runs, outcomes, strict=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, LeaseLost):
                # The lease expires, and another worker takes over.
                logger.warning("releasing a task failed: %s", outcome, extra={"task_id": run.task.task_id})
