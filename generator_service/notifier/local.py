"""The wake of a single process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from generator_service.domain.task import Progress
from generator_service.notifier.contract import Topic
from whitebg_process.event_loops import call_in_loop


class LocalSignal:
    """The receiving end of hints on one topic."""

    def __init__(self, topic: Topic, on_close: Callable[[LocalSignal], None]) -> None:
        self.topic = topic
        self._event = asyncio.Event()
        self._on_close = on_close

    def set(self) -> None:
        """Deliver a hint; in the event loop's thread."""
        self._event.set()

    async def wait(self, timeout: float) -> None:
        """Return when a hint came since the last return, or after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()

    def close(self) -> None:
        """Receive no more hints."""
        self._on_close(self)


class LocalNotifier:
    """Hints and progress within one process; see `generator_service.notifier.contract.Notifier`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._announced = Topic(0)
        self._signals: set[LocalSignal] = set()
        self._listeners: list[Callable[[Progress], None]] = []

    def notify(self, topics: Topic) -> None:
        """Give a hint, from any thread."""
        with self._lock:
            already_on_its_way = bool(self._announced)
            self._announced |= topics
        if not already_on_its_way:
            call_in_loop(self._loop, self._deliver)

    def subscribe(self, topic: Topic) -> LocalSignal:
        """Receive hints on a topic from now on."""
        signal = LocalSignal(topic, self._signals.discard)
        self._signals.add(signal)
        return signal

    def publish(self, progress: Progress) -> None:
        """Publish progress."""
        for listener in self._listeners:
            listener(progress)

    def on_progress(self, listener: Callable[[Progress], None]) -> None:
        """Hear of all progress."""
        self._listeners.append(listener)

    def _deliver(self) -> None:
        with self._lock:
            topics, self._announced = self._announced, Topic(0)
        for signal in self._signals:
            if signal.topic & topics:
                signal.set()
