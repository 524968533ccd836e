"""Waiting for one task to end, without asking again and again."""

from __future__ import annotations

import asyncio

from whitebg.v1 import task_pb2
from ws_gateway.protocol.messages import TERMINAL_STATES, Phase, ProgressMessage, TaskMessage
from ws_gateway.upstream.client import ServiceClient


class EndOfTask:
    """A subscriber that waits. Subscribe it before the task is submitted, so that no end is missed."""

    def __init__(self) -> None:
        self._ended: set[int] = set()
        self._changed = asyncio.Event()

    def on_event(self, message: TaskMessage) -> None:
        """Note the tasks that end."""
        if message.phase is Phase.ENDED:
            self._ended.add(message.task_id)
            self._changed.set()

    def on_progress(self, message: ProgressMessage) -> None:
        """Ignore progress: it ends nothing."""

    def on_resync(self) -> None:
        """Look again: the end may have been missed."""
        self._changed.set()

    def on_service(self, *, available: bool) -> None:
        """Ignore it: the task may end later."""

    async def wait(self, service: ServiceClient, task: task_pb2.Task, timeout: float) -> task_pb2.Task:
        """Return the task once it has ended, or as it stands after ``timeout`` seconds.

        Raises:
            ServiceError: the service is unavailable when it has to be asked.

        """
        try:
            async with asyncio.timeout(timeout):
                while task.state not in TERMINAL_STATES:
                    self._changed.clear()
                    if task.task_id not in self._ended:
                        await self._changed.wait()
                    task = await service.get(task.user_id, task.task_id)
        except TimeoutError:
            return await service.get(task.user_id, task.task_id)
        return task
