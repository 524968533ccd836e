"""The latest events in memory, so that a client that comes back soon costs no read."""

from __future__ import annotations

from collections import deque
from itertools import islice

from whitebg.v1 import event_pb2
from ws_gateway.protocol.cursor import UserCursor


class EventRing:
    """The latest ``capacity`` events of all users, by user.

    Holds the events appended since it was last cleared, without gaps; the oldest are dropped first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._order: deque[str] = deque()
        self._by_user: dict[str, deque[event_pb2.TaskEvent]] = {}

    def append(self, event: event_pb2.TaskEvent) -> None:
        """Add the next event of the log."""
        user_id = event.task.user_id
        self._order.append(user_id)
        self._by_user.setdefault(user_id, deque()).append(event)
        if len(self._order) > self._capacity:
            oldest = self._order.popleft()
            events = self._by_user[oldest]
            events.popleft()
            if not events:
                del self._by_user[oldest]

    def after(self, user_id: str, cursor: UserCursor) -> list[event_pb2.TaskEvent] | None:
        """Return the user's events after the cursor, or None if they are not all here."""
        events = self._by_user.get(user_id)
        if not events:
            return None
        first = UserCursor.parse(events[0].cursor)
        behind = cursor.seq + 1 - first.seq
        if cursor.epoch != first.epoch or not 0 <= behind <= len(events):
            return None
        return list(islice(events, behind, None))

    def head(self, user_id: str) -> UserCursor | None:
        """Return the cursor of the user's latest event, or None if none is here."""
        events = self._by_user.get(user_id)
        return UserCursor.parse(events[-1].cursor) if events else None

    def clear(self) -> None:
        """Drop all events; the next one need not follow them."""
        self._order.clear()
        self._by_user.clear()

    def __len__(self) -> int:
        return len(self._order)
