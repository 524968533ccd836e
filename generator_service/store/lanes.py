"""A queue of two lanes: urgent items overtake the others and are never taken together with them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class LaneFull(Exception):
    """As many items wait in the lane as it may hold."""


class LanesClosed(Exception):
    """The queue takes no more items."""


class Lanes(Generic[T]):
    """Items that wait for one consumer; ``capacity`` is the most that may wait in each lane. Safe from any thread."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._urgent: deque[T] = deque()
        self._ordinary: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T, *, urgent: bool) -> None:
        """Add an item at the end of its lane.

        Raises:
            LaneFull: the lane holds ``capacity`` items.
            LanesClosed: `close` was called.

        """
        lane = self._urgent if urgent else self._ordinary
        with self._changed:
            if self._closed:
                raise LanesClosed
            if len(lane) >= self._capacity:
                raise LaneFull
            lane.append(item)
            self._changed.notify()

    def take(self, limit: int) -> list[T]:
        """Wait for items; return up to ``limit`` of one lane, oldest first. Empty once closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._ordinary or self._closed)
            lane = self._urgent or self._ordinary
            return [lane.popleft() for _ in range(min(limit, len(lane)))]

    def close(self) -> None:
        """Take no more items; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()
