"""Commits of this process, on their way from the writer's thread to the event loop's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from generator_service.domain.event import TaskEvent
from whitebg_process.event_loops import call_in_loop


class LocalCommitBuffer:
    """The latest events of this process's own commits, oldest first; ``most`` of them, for the log has them all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._events: deque[TaskEvent] = deque(maxlen=most)
        self._listener: Callable[[], object] | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Sequence[TaskEvent]) -> None:
        """Hand over the events of a commit, from any thread."""
        self._events.extend(events)
        if self._listener is not None:
            call_in_loop(self._loop, self._listener)

    def pop(self) -> TaskEvent:
        """Take the oldest.

        Raises:
            IndexError: there is none.

        """
        return self._events.popleft()

    def clear(self) -> None:
        """Drop all of them."""
        self._events.clear()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call the listener after every hand-over, in the event loop's thread, before its writer learns of it."""
        self._listener = listener
