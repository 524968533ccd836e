"""What every wake offers: hints between those who commit and those who wait, and progress on its way.

A lost hint costs its receiver one poll interval, never an event.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto
from typing import Protocol

from generator_service.domain.task import Progress


class Topic(Flag):
    """The subject of a hint."""

    LOG = auto()
    """There are new events."""
    REMOTE_LOG = auto()
    """There may be events that this process has not been handed: those of others, or too many of its own at once."""
    TASKS_READY = auto()
    """A task may have become runnable."""


class Signal(Protocol):
    """The receiving end of hints on one topic."""

    async def wait(self, timeout: float) -> None:
        """Return when a hint came since the last return, or after ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Receive no more hints."""
        ...


class Notifier(Protocol):
    """Carries hints and progress within a process, and between processes where there are several."""

    def notify(self, topics: Topic) -> None:
        """Give a hint. Safe from any thread; hints that come together are merged."""
        ...

    def subscribe(self, topic: Topic) -> Signal:
        """Receive hints on a topic from now on."""
        ...

    def publish(self, progress: Progress) -> None:
        """Publish progress. From the event loop's thread; may be dropped."""
        ...

    def on_progress(self, listener: Callable[[Progress], None]) -> None:
        """Hear of all progress, in the event loop's thread."""
        ...
