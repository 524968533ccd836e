"""Follows the log's head and dispatches each event once, in order, to the listeners in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from generator_service.domain.event import TaskEvent
from generator_service.notifier.contract import Notifier, Topic
from generator_service.store.contract import TaskStore
from generator_service.store.views import EventPage
from generator_service.watch.committed import LocalCommitBuffer

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PAGE = 1000

Listener = Callable[[Sequence[TaskEvent]], None]


class LogTail:
    """Reads the log on hints of other processes' commits, and every second without one.

    Commits of this process are handed over in ``committed``, which is only a shortcut: where they continue the
    dispatched events, they are dispatched at once and need not be read back from the database, which takes longer than
    the rest of an event's way to its watchers. Where they do not, and on hints that others committed, the log is
    read. Hints of its own commits are not listened to, for they could hide another's; without ``committed``, all are.

    `revision` is the last dispatched position. A listener is called in the event loop's thread and must not
    wait. ``on_gap`` is called, and the tail goes on from another position, where the next event does not follow the
    last: events were compacted before they were read, or the log has been replaced.

    That happens to a running service when its database is restored, or fails over to a replica that lags behind. A new
    epoch shows it, or a head before `revision`, or another event at the position of the last dispatched one; each read
    looks at all three. Without a new epoch, cursors of the lost log would fit the present one as soon as it is as long
    again: so the tail that finds it out first renews the epoch.
    """

    def __init__(
        self,
        store: TaskStore,
        wake: Notifier,
        *,
        listeners: Sequence[Listener],
        on_gap: Callable[[], Awaitable[None]],
        committed: LocalCommitBuffer | None = None,
    ) -> None:
        self._store = store
        self._committed = committed
        self._wake = wake
        self._listeners = [*listeners]
        self._on_gap = on_gap
        self.revision = 0
        self.epoch = ""
        self._last: TaskEvent | None = None
        """The event of `revision`; None where it isn't known."""
        self._starting_over = False
        self._one_at_a_time = asyncio.Lock()
        self._next_read: asyncio.Task[None] | None = None
        """The read that has not begun yet, for all who wait for one."""

    async def start(self, *, prefill: int) -> None:
        """Start at the current head; dispatch up to ``prefill`` preceding events without a gap."""
        page = await self._store.latest_events(prefill)
        # Compaction goes user by user: up to its highest revision any event may be gone, the latest of all among them.
        self._tell([event for event in page.events if event.revision > page.head.compacted])
        self.revision = page.head.position
        self.epoch = page.head.epoch
        self._last = page.events[-1] if page.events and page.events[-1].revision == self.revision else None

    def join(self, listener: Listener) -> None:
        """Add a listener for future events, which is called before the others."""
        self._listeners.insert(0, listener)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        signal = self._wake.subscribe(Topic.LOG if self._committed is None else Topic.REMOTE_LOG)
        if self._committed is not None:
            self._committed.listen(self._on_committed)
        try:
            while True:
                try:
                    async with self._one_at_a_time:
                        await self.catch_up()
                except Exception:
                    # The database is unavailable; the next poll retries from the same position.
                    logger.exception("reading the log failed; trying again", extra={"revision": self.revision})
                await signal.wait(POLL_SECONDS)
        finally:
            signal.close()

    async def reach_head(self) -> None:
        """Return once all events are dispatched that were committed before the call, by any process.

        Calls that wait at the same time share one read. Raises what a read of the store raises.
        """
        if self._next_read is None:
            self._next_read = asyncio.create_task(self._read_next())
        # Shared: a caller that gives up must not end it for the others.
        await asyncio.shield(self._next_read)

    async def _read_next(self) -> None:
        async with self._one_at_a_time:
            # From here on it may miss a commit, so that later callers need another one.
            self._next_read = None
            await self.catch_up()

    async def catch_up(self) -> None:
        """Dispatch all new events: those handed over, then later ones of the database."""
        self.take_committed()
        while True:
            revision, last = self.revision, self._last
            # From the last dispatched event, to verify that it is unchanged.
            page = await self._store.events_after(max(0, revision - 1), limit=PAGE + 1)
            if page.head.epoch != self.epoch:
                await self._start_over("the log was replaced", page, page.head.position)
            elif not _continues(page, revision, last):
                await self._store.renew_epoch(page.head.epoch)
            elif page.head.compacted > revision:
                await self._start_over("the log was compacted past this process", page, page.head.compacted)
            else:
                # Some of it may have been handed over while it was read.
                self._tell([event for event in page.events if event.revision > self.revision])
                if len(page.events) <= PAGE:
                    return

    async def _start_over(self, why: str, page: EventPage, revision: int) -> None:
        """Go on from another position, once all who follow the tail have been prepared for it."""
        logger.warning(
            "%s; its watchers start over",
            why,
            extra={"revision": self.revision, "epoch": self.epoch, "head": page.head.position},
        )
        self._starting_over = True
        try:
            if self._committed is not None:
                self._committed.clear()
            await self._on_gap()
            self.revision, self.epoch, self._last = revision, page.head.epoch, None
        finally:
            self._starting_over = False

    def take_committed(self) -> bool:
        """Dispatch the events handed over, as far as they continue the log; return whether that was all of them."""
        if self._starting_over:
            # It is read from the database afterwards.
            return True
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
            self._wake.notify(Topic.REMOTE_LOG)

    def _tell(self, events: Sequence[TaskEvent]) -> None:
        if not events:
            return
        for listener in self._listeners:
            listener(events)
        self._last = events[-1]
        self.revision = self._last.revision


def _continues(page: EventPage, revision: int, last: TaskEvent | None) -> bool:
    """Return whether a page read from ``revision`` on is of the log whose event of that revision was ``last``."""
    if page.head.position < revision:
        return False
    if last is None or page.head.compacted >= revision:
        return True
    return bool(page.events) and _identity(page.events[0]) == _identity(last)


def _identity(event: TaskEvent) -> tuple[object, ...]:
    """Return what two events of one revision can't have in common unless they are the same."""
    return event.revision, event.user_id, event.seq, event.task.task_id, event.type, event.occurred_at
