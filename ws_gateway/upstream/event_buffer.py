"""The latest events in memory, so that a client that comes back soon costs no read."""

from __future__ import annotations

from collections import deque
from itertools import islice

from whitebg.v1 import event_pb2
from ws_gateway.protocol.cursor import UserCursor


class EventRing:
    """The latest ``capacity`` events of all users, by user, and where the logs of other users end.

    Holds the events appended since it was last cleared, without gaps; the oldest are dropped first. Of a user
    without an event here the end of the log is known if a read brought it (`learn`), or if the user's last event was
    dropped: it stays known until the user's next event, for ``capacity`` users.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._order: deque[str] = deque()
        self._by_user: dict[str, deque[event_pb2.TaskEvent]] = {}
        self._heads: dict[str, UserCursor] = {}
        """Ends of the logs of which no event is here, the latest last."""
        self._appended = 0

    def append(self, event: event_pb2.TaskEvent) -> None:
        """Add the next event of the log."""
        self._appended += 1
        user_id = event.task.user_id
        head = self._heads.get(user_id)
        if head is not None:
            if event.seq <= head.seq:
                # The read that brought the head was ahead of the stream.
                return
            del self._heads[user_id]
        self._order.append(user_id)
        self._by_user.setdefault(user_id, deque()).append(event)
        if len(self._order) > self._capacity:
            oldest = self._order.popleft()
            events = self._by_user[oldest]
            dropped = events.popleft()
            if not events:
                del self._by_user[oldest]
                self._know(oldest, UserCursor.parse(dropped.cursor))

    @property
    def mark(self) -> int:
        """The present moment, for a later `learn`."""
        return self._appended

    def learn(self, user_id: str, head: UserCursor, mark: int) -> None:
        """Take in where a user's log ended when a read began at ``mark``; later events must have come by `append`."""
        if user_id in self._by_user or self._appended - mark > self._capacity:
            # Its events since then are here, or may have been here and gone.
            return
        known = self._heads.get(user_id)
        if known is None or known.seq <= head.seq:
            self._know(user_id, head)

    def after(self, user_id: str, cursor: UserCursor) -> list[event_pb2.TaskEvent] | None:
        """Return the user's events after the cursor, or None if they are not all here."""
        events = self._by_user.get(user_id)
        if not events:
            return [] if self._heads.get(user_id) == cursor else None
        first = UserCursor.parse(events[0].cursor)
        behind = cursor.seq + 1 - first.seq
        if cursor.epoch != first.epoch or not 0 <= behind <= len(events):
            return None
        return list(islice(events, behind, None))

    def head(self, user_id: str) -> UserCursor | None:
        """Return the cursor of the user's latest event, or None if it is not known here."""
        events = self._by_user.get(user_id)
        return UserCursor.parse(events[-1].cursor) if events else self._heads.get(user_id)

    def clear(self) -> None:
        """Forget everything; the next event need not follow the last."""
        self._order.clear()
        self._by_user.clear()
        self._heads.clear()
        # No read that has begun before may be learned from.
        self._appended += self._capacity + 1

    def __len__(self) -> int:
        return len(self._order)

    def _know(self, user_id: str, head: UserCursor) -> None:
        self._heads.pop(user_id, None)
        self._heads[user_id] = head
        if len(self._heads) > self._capacity:
            del self._heads[next(iter(self._heads))]
