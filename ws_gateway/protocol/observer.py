"""Observation of sessions, for metrics. Pure: a session does not depend on metrics."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Receives counts from all sessions."""

    def progress_coalesced(self, count: int = 1) -> None:
        """Learn that newer progress replaced some that was not sent yet."""
        ...

    def progress_dropped(self, count: int = 1) -> None:
        """Learn that progress was dropped: it was stale, or there were too many tasks."""
        ...

    def terminal_dropped(self, count: int = 1) -> None:
        """Learn that durable messages, perhaps the end of a task, were passed over; it never happens."""
        ...

    def resent(self, count: int = 1) -> None:
        """Learn that messages were sent again because no ack came."""
        ...

    def acked(self, lag: float) -> None:
        """Learn how many seconds after the message its ack came."""
        ...


class Nobody:
    """An observer that ignores everything."""

    def progress_coalesced(self, count: int = 1) -> None:
        """Ignore it."""

    def progress_dropped(self, count: int = 1) -> None:
        """Ignore it."""

    def terminal_dropped(self, count: int = 1) -> None:
        """Ignore it."""

    def resent(self, count: int = 1) -> None:
        """Ignore it."""

    def acked(self, lag: float) -> None:
        """Ignore it."""
