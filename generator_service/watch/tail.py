"""Follows the log's head and tells everyone in this process, in order, each event once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from generator_service.domain.event import TaskEvent
from generator_service.store.contract import TaskStore
from generator_service.wake.contract import Topic, Wake
from generator_service.watch.committed import Committed

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PAGE = 1000

Listener = Callable[[Sequence[TaskEvent]], None]


class LogTail:
    """Reads the log on every hint of what it was not handed, and every second without one.

    What this process has committed itself is handed over in ``committed``, which is only ever a shortcut: where it
    continues what was told, it is told at once and need not be read back from the database, which takes longer than
    all the rest of an event's way to its watchers. Where it does not, and on hints that others committed, the log is
    read. Hints of its own commits are not listened to, for they could hide another's; without ``committed``, all are.

    `revision` is how far it has told its listeners. A listener is called in the event loop's thread and must not
    wait. If the tail fell so far behind that events were compacted before it read them, ``on_gap`` is called and
    the tail goes on from what is kept.
    """

    def __init__(
        self,
        store: TaskStore,
        wake: Wake,
        *,
        listeners: Sequence[Listener],
        on_gap: Callable[[], Awaitable[None]],
        committed: Committed | None = None,
    ) -> None:
        self._store = store
        self._committed = committed
        self._wake = wake
        self._listeners = [*listeners]
        self._on_gap = on_gap
        self.revision = 0
        self.epoch = ""

    async def start(self, *, prefill: int) -> None:
        """Take the present head as the beginning; tell the listeners the last ``prefill`` events that have no hole."""
        page = await self._store.latest_events(prefill)
        # Compaction goes user by user: up to its highest revision any event may be gone, the latest of all among them.
        self._tell([event for event in page.events if event.revision > page.head.compacted])
        self.revision = page.head.position
        self.epoch = page.head.epoch

    def join(self, listener: Listener) -> None:
        """Tell one more listener of what comes from now on, and before the others."""
        self._listeners.insert(0, listener)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        signal = self._wake.subscribe(Topic.LOG if self._committed is None else Topic.ELSEWHERE)
        if self._committed is not None:
            self._committed.listen(self._on_committed)
        try:
            while True:
                try:
                    await self.catch_up()
                except Exception:
                    # The database is away for a moment; the next poll tries again from the same place.
                    logger.exception("reading the log failed; trying again", extra={"revision": self.revision})
                await signal.wait(POLL_SECONDS)
        finally:
            signal.close()

    async def catch_up(self) -> None:
        """Tell all that is new: what was handed over, then what the database has beyond it."""
        self.take_committed()
        while True:
            page = await self._store.events_after(self.revision, limit=PAGE)
            if page.head.compacted > self.revision:
                logger.warning(
                    "the log was compacted past this process; its watchers start over",
                    extra={"revision": self.revision, "compacted": page.head.compacted},
                )
                await self._on_gap()
                self.revision = page.head.compacted
                continue
            # Some of it may have been handed over while it was read.
            self._tell([event for event in page.events if event.revision > self.revision])
            if len(page.events) < PAGE:
                return

    def take_committed(self) -> bool:
        """Tell what was handed over, as far as it continues what was told; say whether that was all of it."""
        fresh: list[TaskEvent] = []
        whole = True
        while whole and self._committed:
            event = self._committed.pop()
            expected = self.revision + len(fresh) + 1
            if event.revision == expected:
                fresh.append(event)
            # Beyond it others committed in between, or too much was handed over: the database knows better.
            whole = event.revision <= expected
        self._tell(fresh)
        return whole

    def _on_committed(self) -> None:
        if not self.take_committed():
            self._wake.announce(Topic.ELSEWHERE)

    def _tell(self, events: Sequence[TaskEvent]) -> None:
        if not events:
            return
        for listener in self._listeners:
            listener(events)
        self.revision = events[-1].revision
