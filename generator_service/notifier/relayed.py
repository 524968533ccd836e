"""The wake of several processes: hints of one are delivered in all."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from generator_service.domain.task import Progress
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier, LocalSignal
from generator_service.notifier.wire import NotOurs, decode, encode
from whitebg_process.event_loops import call_in_loop

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 0.01
"""At most one message goes out in this time, with all that has gathered."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
CANCEL_AGAIN_SECONDS = 0.1
MAX_TASKS_IN_PROGRESS = 1000
"""Tasks whose progress may gather while nothing can be sent; that of more is dropped."""

# A commit of another process may make a task runnable, or allow a user to run one more.
_FROM_OTHERS = Topic.LOG | Topic.REMOTE_LOG | Topic.TASKS_READY


class Transport(Protocol):
    """A way to other processes. Each connection is for one direction, and ends with an exception when it is lost."""

    limit: int
    """Bytes that one message may have."""

    def sending(self) -> AbstractAsyncContextManager[Callable[[str], Awaitable[None]]]:
        """Connect; give a function that sends a message to all who receive."""
        ...

    def receiving(self) -> AbstractAsyncContextManager[AsyncIterator[str | bytes]]:
        """Connect; give the messages that are sent from then on, our own included."""
        ...


class RelayNotifier:
    """Hints and progress within this process at once, and to all others over a line that may be cut at any time.

    Nothing waits for the line, and nothing depends on it: lost hints are compensated by those that a process
    sends, to itself and to others, whenever it reconnects, and by the polls of its waiting parts.
    """

    def __init__(self, local: LocalNotifier, line: Transport) -> None:
        self._local = local
        self._line = line
        self._name = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._committed = False
        self._progress: dict[int, Progress] = {}
        self._something = asyncio.Event()

    def notify(self, topics: Topic) -> None:
        """Give a hint, from any thread."""
        self._local.notify(topics)
        if Topic.LOG not in topics:
            return
        with self._lock:
            already_known, self._committed = self._committed, True
        if not already_known:
            call_in_loop(self._loop, self._something.set)

    def subscribe(self, topic: Topic) -> LocalSignal:
        """Receive hints on a topic, whichever process gives them."""
        return self._local.subscribe(topic)

    def publish(self, progress: Progress) -> None:
        """Publish progress; unsent progress is replaced by newer."""
        self._local.publish(progress)
        if progress.task_id in self._progress or len(self._progress) < MAX_TASKS_IN_PROGRESS:
            self._progress[progress.task_id] = progress
            self._something.set()

    def on_progress(self, listener: Callable[[Progress], None]) -> None:
        """Hear of all progress, whichever process makes it."""
        self._local.on_progress(listener)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep the line open within the block, and open it again whenever it is lost."""
        directions = {"wake-send": self._send, "wake-receive": self._receive}
        tasks = [asyncio.create_task(_again(name, direction), name=name) for name, direction in directions.items()]
        try:
            yield
        finally:
            # Up to Python 3.11 `asyncio.wait_for`, by which redis-py sends, can swallow a cancellation.
            while running := [task for task in tasks if not task.done()]:
                for task in running:
                    task.cancel()
                await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)

    async def _send(self, connected: Callable[[], None]) -> None:
        async with self._line.sending() as send:
            connected()
            # Others may have missed what went out when the line was cut.
            self._committed = True
            self._something.set()
            while True:
                await self._something.wait()
                self._something.clear()
                with self._lock:
                    hint, self._committed = self._committed, False
                progress, self._progress = self._progress, {}
                for message in encode(self._name, hint=hint, progress=[*progress.values()], limit=self._line.limit):
                    await send(message)
                # Not waiting for anything to happen: what comes meanwhile goes out together.
                await asyncio.sleep(COALESCE_SECONDS)

    async def _receive(self, connected: Callable[[], None]) -> None:
        async with self._line.receiving() as messages:
            connected()
            # Hints may have been lost while disconnected: check everything.
            self._local.notify(_FROM_OTHERS)
            async for text in messages:
                try:
                    message = decode(text)
                except NotOurs as error:
                    logger.warning("a message that is none of ours was dropped: %s", error)
                    continue
                if message.sender == self._name:
                    continue
                if message.hint:
                    self._local.notify(_FROM_OTHERS)
                for news in message.progress:
                    self._local.publish(news)


async def _again(name: str, direction: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
    """Connect again and again, until cancelled: at once where it had worked, later and later where it does not."""
    pause = FIRST_PAUSE

    def connected() -> None:
        nonlocal pause
        pause = FIRST_PAUSE

    while True:
        try:
            await direction(connected)
        except Exception as error:  # noqa: BLE001 (whatever cut the line, it is to be opened again)
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            logger.warning("%s: the line was lost (%s); opening it again", name, reason)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
