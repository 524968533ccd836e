"""The latest events in memory, so that a client that comes back soon costs no read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from whitebg.v1 import event_pb2
from ws_gateway.protocol.cursor import UserCursor


class EventRing:
    """The latest ``capacity`` events of all users, by user, and where the logs of other users end.

    Of each user's log it holds a part without gaps, up to the end: events from the stream (`append`) and what was read
    of the log of a user without any (`learn`). Those held for longest are dropped first. Where a user's last one is
    dropped, or a read brought none, the end of the log stays known until the user's next event, for ``capacity`` users.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._order: deque[str] = deque()
        self._by_user: dict[str, deque[event_pb2.TaskEvent]] = {}
        self._heads: dict[str, UserCursor] = {}
        """Ends of the logs of which no event is here, the latest last."""
        self._taken = 0
        """How many events were taken in so far."""

    def append(self, event: event_pb2.TaskEvent) -> None:
        """Take in the next event of the stream."""
        user_id = event.task.user_id
        events, head = self._by_user.get(user_id), self._heads.get(user_id)
        known = events[-1].seq if events else head.seq if head else 0
        if event.seq <= known:
            # The read that brought the later ones was ahead of the stream.
            return
        if events and event.seq > known + 1:
            # The user was deleted, with the former log, and has a new one.
            events.clear()
        self._take(user_id, event)

    @property
    def mark(self) -> int:
        """The present moment, for a later `learn`."""
        return self._taken

    def learn(self, user_id: str, events: Sequence[event_pb2.TaskEvent], head: UserCursor, mark: int) -> None:
        """Take in the end of a user's log, from a read that began at ``mark``: events, the last at ``head``, or none.

        A read that the stream may have overtaken is of no use.
        """
        if user_id in self._by_user or self._taken - mark > self._capacity:
            # The stream has brought later events, or may have: those that are dropped leave no trace.
            return
        if not events:
            self._know(user_id, head)
        for event in events:
            self._take(user_id, event)

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
        self._taken += self._capacity + 1

    def __len__(self) -> int:
        return len(self._order)

    def _take(self, user_id: str, event: event_pb2.TaskEvent) -> None:
        self._taken += 1
        self._heads.pop(user_id, None)
        self._order.append(user_id)
        self._by_user.setdefault(user_id, deque()).append(event)
        if len(self._order) > self._capacity:
            self._drop_one_of(self._order.popleft())

    def _drop_one_of(self, user_id: str) -> None:
        events = self._by_user.get(user_id)
        if not events:
            return
        dropped = events.popleft()
        if not events:
            del self._by_user[user_id]
            self._know(user_id, UserCursor.parse(dropped.cursor))

    def _know(self, user_id: str, head: UserCursor) -> None:
        self._heads.pop(user_id, None)
        self._heads[user_id] = head
        if len(self._heads) > self._capacity:
            del self._heads[next(iter(self._heads))]
