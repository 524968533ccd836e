"""Watches whether this process makes progress and can write; publishes it as readiness, health and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from generator_service.blobs.contract import BlobStore, BlobStoreUnavailable, try_writing
from generator_service.domain.event import TaskEvent
from generator_service.domain.readiness import Limits, NotReady, Observation, StallDetector, not_ready
from generator_service.ops.disk_space import free_bytes
from generator_service.ops.metrics import Metrics
from generator_service.store.contract import TaskStore
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.writer import StoreBusy

logger = logging.getLogger(__name__)

DATABASE, IMAGES = "database", "images"
INTERVAL_SECONDS = 5.0
PROBE_SECONDS = 10.0
"""Time limit of a probe, after which it counts as failed."""
REFUSAL_COUNTS_SECONDS = 15.0
"""How long a failed real write outweighs successful probes, which are too small to prove much."""
PROBE_KEY = "probe/readiness"
"""Shared by all processes, so that an object left behind is replaced by the next probe."""

UNKNOWN = NotReady("unknown", "the state of this process can't be determined; see its log")

Listener = Callable[[], None]


class ReadinessMonitor:
    """Observes one process every few seconds.

    ``refused`` returns why the image store must not be used with this database, None if no reason is known.
    ``folders`` are those whose free space is monitored; ``worker`` is the name of this process's worker, None if it has
    none, and ``slots`` the worker's limit of concurrent tasks. A bucket charges for each write, so it is probed every
    ``images_every`` seconds only.
    """

    def __init__(
        self,
        *,
        store: TaskStore,
        blobs: BlobStore,
        refused: Callable[[], str | None],
        metrics: Metrics,
        limits: Limits,
        folders: Sequence[Path],
        worker: str | None,
        slots: int,
        images_every: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reasons: tuple[NotReady, ...] = ()
        """Why this process is not ready; empty while it is ready."""
        self._store = store
        self._blobs = blobs
        self._refused = refused
        self._metrics = metrics
        self._limits = limits
        self._folders = folders
        self._worker = worker
        self._slots = slots
        self._images_every = images_every
        self._monotonic = monotonic
        self._detector = StallDetector(longest_step=2 * INTERVAL_SECONDS + PROBE_SECONDS)
        self._images_at: float | None = None
        self._images: str | None = None
        self._on_change: list[Listener] = []

    @property
    def stalled(self) -> timedelta:
        """How long the queue has been stalled."""
        return timedelta(seconds=self._detector.stalled)

    def on_events(self, events: Sequence[TaskEvent]) -> None:
        """Process events of tasks. A listener of the log's tail."""
        self._detector.on_events(events)

    def on_change(self, listener: Listener) -> None:
        """Call the listener now, and whenever this process becomes ready or stops being ready."""
        self._on_change.append(listener)
        listener()

    async def run(self) -> None:
        """Observe until cancelled."""
        while True:
            try:
                await self.observe()
            except Exception:
                logger.exception("observing the readiness failed; trying again")
                await self._publish((UNKNOWN,))
            # The interval of the probes; a stalled queue emits no event.
            await asyncio.sleep(INTERVAL_SECONDS)

    async def observe(self) -> None:
        """Run all checks once, and publish the outcome."""
        # A folder that can't be read is reported by the checks of its contents.
        database, images, free = await asyncio.gather(
            self._try_database(), self._try_images(), free_bytes(self._folders)
        )
        rejected = {target: why for target, why in ((DATABASE, database), (IMAGES, images)) if why is not None}
        observed = Observation(
            stalled=self._detector.stalled, rejected=rejected, refused=self._refused(), free_bytes=free
        )
        self._measure(observed)
        await self._publish(not_ready(observed, self._limits))

    async def _publish(self, reasons: tuple[NotReady, ...]) -> None:
        before, self.reasons = self.reasons, reasons
        self._metrics.ready.set(not self.reasons)
        if {reason.code for reason in before} != {reason.code for reason in self.reasons}:
            for reason in self.reasons:
                logger.error("not ready: %s", reason.message, extra={"code": reason.code})
            if not self.reasons:
                logger.info("ready again")
            for listener in self._on_change:
                listener()

    async def _try_database(self) -> str | None:
        """Read the queue and write to the database; return why the database is unavailable."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                backlog = await self._store.backlog()
                self._detector.observe(
                    self._monotonic(),
                    runnable=backlog.runnable,
                    free_slots=backlog.free_slots(self._worker, self._slots),
                )
                await self._store.probe()
        except TimeoutError:
            return f"the database took longer than {PROBE_SECONDS:g} s to write; check its load, locks and connections"
        except (DatabaseUnavailable, StoreBusy) as error:
            return str(error)
        refusal = self._store.last_refusal
        if refusal is not None and refusal.partial and self._monotonic() - refusal.at < REFUSAL_COUNTS_SECONDS:
            return refusal.message
        return None

    async def _try_images(self) -> str | None:
        """Write an object and delete it; return why images can't be stored."""
        now = self._monotonic()
        if self._images_at is None or now - self._images_at >= self._images_every or self._images is not None:
            self._images_at = now
            self._images = None
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await try_writing(self._blobs, PROBE_KEY)
            except TimeoutError:
                self._images = f"{self._blobs.where} took longer than {PROBE_SECONDS:g} s to store an object"
            except BlobStoreUnavailable as error:
                self._images = str(error)
        return self._images

    def _measure(self, observed: Observation) -> None:
        self._metrics.stalled.set(observed.stalled)
        for target in (DATABASE, IMAGES):
            self._metrics.rejected.labels(target).set(target in observed.rejected)
        for folder, free in observed.free_bytes.items():
            self._metrics.free_bytes.labels(folder).set(free)
