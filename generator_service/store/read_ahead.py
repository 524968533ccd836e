"""Pages on their way from the transaction of a reading thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing
from typing import Generic, TypeVar

from generator_service.domain.errors import SlowSnapshot
from whitebg_process.event_loops import call_in_loop

T = TypeVar("T")

STALL_SECONDS = 3.0
"""How long a transaction waits until a page is taken; PostgreSQL ends one that is idle for 5 s."""
LONGEST_SECONDS = 60.0
"""The longest transaction: until it ends, SQLite can't shorten its log, and PostgreSQL can't remove old rows."""


class ReadAhead(Generic[T]):
    """A bounded queue: at most ``most`` pages wait in it, so a slow reader needs no transaction once all fit."""

    def __init__(self, most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(most)
        self._pages: deque[T] = deque()
        self._ready = asyncio.Event()
        self._ended = False
        self._closed = False

    def fill(self, pages: Generator[T]) -> None:
        """Read all pages as room is made for them, or until the queue is closed. Runs in a thread, and blocks it.

        Raises:
            SlowSnapshot: pages are not taken fast enough; those that wait are dropped.

        """
        deadline = time.monotonic() + LONGEST_SECONDS
        complete = False
        try:
            with closing(pages):
                for page in pages:
                    patience = min(STALL_SECONDS, deadline - time.monotonic())
                    if patience <= 0 or not self._room.acquire(timeout=patience):
                        raise SlowSnapshot
                    if self._closed:
                        return
                    call_in_loop(self._loop, self._put, page)
            complete = True
        finally:
            call_in_loop(self._loop, self._end, complete)

    async def take(self) -> T | None:
        """Wait for the next page; None after the last one, or if `fill` failed."""
        while not self._pages and not self._ended:
            self._ready.clear()
            await self._ready.wait()
        if not self._pages:
            return None
        self._room.release()
        return self._pages.popleft()

    def close(self) -> None:
        """Drop all pages, and let `fill` end."""
        self._closed = True
        self._pages.clear()
        self._room.release()

    def _put(self, page: T) -> None:
        if not self._closed:
            self._pages.append(page)
            self._ready.set()

    def _end(self, complete: bool) -> None:
        if not complete:
            self._pages.clear()
        self._ended = True
        self._ready.set()
