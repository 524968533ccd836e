"""A pool of processes for work that burns CPU, so that the event loop never does.

Not `multiprocessing`: gRPC's threads and a fork do not go together, and here a job reports progress, is killed when
its caller gives up, and has bounded memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.engines import frames
from generator_service.engines.child import Child, ChildCommand, ChildDied

_log = logging.getLogger(__name__)

_FIRST_RESTART_DELAY, _MAX_RESTART_DELAY = 0.1, 5.0  # seconds, between failed starts


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How large a pool is, and what its processes may use."""

    processes: int = 1
    """How many jobs run at once."""
    memory_bytes: int | None = 4 * 1024**3
    """Address space of each process; a job that needs more ends with ``out_of_memory``. None: no limit."""
    job_timeout: float | None = 120.0
    """Seconds that one job may take; then its process is killed, whatever the file made it do. None: no limit."""
    jobs_per_process: int = 200
    """After so many jobs a process is replaced, against slow leaks."""
    max_frame_bytes: int = 256 * 1024**2
    """Longest job and longest result."""
    ready_timeout: float = 60.0
    """Seconds that a process may take to start."""


class ProcessPool:
    """Runs one function, fixed at construction, in child processes.

    ::

        async with ProcessPool("generator_service.engines.job_runner:perform", PoolSettings(processes=2)) as pool:
            result = await pool.run(job, report)

    """

    def __init__(self, target: str, settings: PoolSettings) -> None:
        self._settings = settings
        self._command = ChildCommand(
            target=target,
            memory_bytes=settings.memory_bytes,
            max_frame_bytes=settings.max_frame_bytes,
            ready_timeout=settings.ready_timeout,
        )
        self._idle: asyncio.Queue[Child | None] = asyncio.Queue()
        """Children that wait for a job; None once the pool is closing, and then for good."""
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all processes and wait until they take jobs.

        Raises:
            EngineError: one of them did not start; the log has what it said.

        """
        try:
            async with asyncio.TaskGroup() as places:
                for _ in range(self._settings.processes):
                    places.create_task(self._open_place())
        except ExceptionGroup as failures:
            await self.close()
            raise EngineError(
                "engine_not_started",
                f"the engine's process {failures.exceptions[0]}; the log has what it said before",
                retryable=True,
            ) from failures
        except BaseException:
            await self.close()
            raise

    async def run(self, job: object, report: Callable[[int, str], None]) -> object:
        """Have ``job`` done by the next free process and return the function's result.

        ``report`` is called on the event loop with what the function reports. If the call is cancelled, the process
        is killed and replaced: nothing of the job goes on.

        Raises:
            ImageRejected: the function raised it.
            EngineError: the process died, had not enough memory or failed otherwise, or the pool is closing.

        """
        try:
            body = frames.encode(job, self._settings.max_frame_bytes)
        except frames.FrameTooLarge as error:
            raise EngineError("job_too_large", f"{error}; send a smaller photo", retryable=False) from None
        child = await self._free_child()
        try:
            async with asyncio.timeout(self._settings.job_timeout) as deadline:
                outcome = await child.perform(body, report)
        except ChildDied as death:
            raise self._crashed(death) from None
        except TimeoutError:
            if not deadline.expired():
                raise
            raise EngineError(
                "job_timeout",
                f"the photo took longer than the {self._settings.job_timeout:g} s that it may; send a smaller one",
                retryable=True,
                max_attempts=2,
            ) from None
        finally:
            await self._give_back(child)
        return self._result(outcome)

    async def close(self) -> None:
        """End all processes. Calls under way, waiting and to come end with ``shutting_down``. May be called again."""
        self._closing = True
        self._idle.put_nowait(None)
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _open_place(self) -> None:
        child = await Child.start(self._command)
        self._keepers.append(asyncio.create_task(self._keep(child)))

    async def _keep(self, child: Child) -> None:
        """Keep one place of the pool filled: whenever its child dies, start another."""
        while True:
            self._idle.put_nowait(child)
            try:
                await child.wait()
            finally:
                await child.end()
            child = await self._restart()

    async def _restart(self) -> Child:
        delay = _FIRST_RESTART_DELAY
        while True:
            try:
                return await Child.start(self._command)
            except (ChildDied, OSError) as error:
                _log.error("an engine process %s; starting another in %.1f s", error, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RESTART_DELAY)

    async def _free_child(self) -> Child:
        while (child := await self._idle.get()) is not None:
            if child.fit and not self._closing:
                return child
        self._idle.put_nowait(None)
        raise _shutting_down()

    async def _give_back(self, child: Child) -> None:
        if child.fit and child.jobs < self._settings.jobs_per_process:
            self._idle.put_nowait(child)
        else:
            await child.end()

    def _crashed(self, death: ChildDied) -> EngineError:
        if self._closing:
            return _shutting_down()
        return EngineError(
            "engine_crashed",
            f"the process that worked on the photo {death}; if it happens again, send a smaller photo",
            retryable=True,
        )

    def _result(self, outcome: frames.Outcome) -> object:
        match outcome:
            case frames.Done(result):
                return result
            case frames.Rejected(code, message):
                raise ImageRejected(code, message)
            case frames.OutOfMemory():
                limit = (self._settings.memory_bytes or 0) / 1024**2
                raise EngineError(
                    "out_of_memory",
                    f"the photo needs more memory than the {limit:,.0f} MiB that a process may have; "
                    "send a smaller photo",
                    retryable=True,
                    max_attempts=2,
                )
            case frames.Oversized(size):
                limit = self._settings.max_frame_bytes
                raise EngineError(
                    "result_too_large",
                    f"the picture takes {size} bytes and at most {limit} are possible; ask for a smaller size or JPEG",
                    retryable=False,
                )
            case frames.Raised(error, traceback):
                _log.error("a job failed: %s", traceback)
                raise EngineError(
                    "engine_failed",
                    f"the engine failed with an internal error ({error}); the service's log has the details",
                    retryable=True,
                    max_attempts=2,
                )


def _shutting_down() -> EngineError:
    return EngineError("shutting_down", "the service is shutting down; the task runs again later", retryable=True)
