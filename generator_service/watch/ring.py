"""The latest events in memory, so that a storm of replays reads no database."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from itertools import islice

from generator_service.domain.event import TaskEvent


class EventRing:
    """The last ``capacity`` events of the log, in order, also by user."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._events: deque[TaskEvent] = deque()
        self._by_user: defaultdict[str, deque[TaskEvent]] = defaultdict(deque)

    def __len__(self) -> int:
        return len(self._events)

    def extend(self, events: Iterable[TaskEvent]) -> None:
        """Add events that follow those already held; the oldest make room."""
        for event in events:
            self._events.append(event)
            self._by_user[event.user_id].append(event)
        while len(self._events) > self._capacity:
            oldest = self._events.popleft()
            of_user = self._by_user[oldest.user_id]
            of_user.popleft()
            if not of_user:
                del self._by_user[oldest.user_id]

    def clear(self) -> None:
        """Forget everything: what follows does not continue what was held."""
        self._events.clear()
        self._by_user.clear()

    def after_revision(self, revision: int) -> list[TaskEvent] | None:
        """Return all events after a revision; None if the ring can't know them all."""
        if not self._events or self._events[0].revision > revision + 1:
            return None
        return list(islice(self._events, max(0, revision + 1 - self._events[0].revision), None))

    def of_user_after(self, user_id: str, seq: int) -> list[TaskEvent] | None:
        """Return a user's events after a seq; None if the ring can't know them all."""
        held = self._by_user.get(user_id)
        if held is None or held[0].seq > seq + 1:
            return None
        return list(islice(held, max(0, seq + 1 - held[0].seq), None))
