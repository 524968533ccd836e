"""The latest events in memory, so that a storm of replays reads no database."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
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
        """Drop all events; the next one does not continue them."""
        self._events.clear()
        self._by_user.clear()

    def after_revision(self, revision: int) -> list[TaskEvent] | None:
        """Return all events after a revision; None if the ring can't know them all."""
        return _after(self._events, lambda event: event.revision, revision)

    def of_user_after(self, user_id: str, seq: int) -> list[TaskEvent] | None:
        """Return a user's events after a seq; None if the ring can't know them all."""
        return _after(self._by_user.get(user_id), lambda event: event.seq, seq)


def _after(held: deque[TaskEvent] | None, number: Callable[[TaskEvent], int], position: int) -> list[TaskEvent] | None:
    """Return the end of a log from ``position + 1`` on, if it is held without a hole.

    Events read at startup may have gaps, where other users' events have been compacted. Numbers only rise, so
    an end of ``missing`` events that begins with ``position + 1`` has none.
    """
    if not held:
        return None
    missing = number(held[-1]) - position
    if missing == 0:
        return []
    # A position past the end is for the database to judge: the log may go on, or may never have been there.
    if not 0 < missing <= len(held) or number(held[-missing]) != position + 1:
        return None
    return list(islice(held, len(held) - missing, None))
