"""A pool of processes for CPU-bound work, which would block the event loop.

Not `multiprocessing`: forking is unsafe with gRPC's threads, and here a job reports progress, is killed when its
caller is cancelled, and has bounded memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.engines.pool import child_main
from generator_service.engines.pool.child import Child, ChildCommand, ChildDied
from generator_service.engines.work_timeout import waiting

_log = logging.getLogger(__name__)

WAITING = "waiting for an engine process"
"""Stage of a job while all processes are busy."""

_FIRST_RESTART_DELAY, _MAX_RESTART_DELAY = 0.1, 5.0  # seconds, between failed starts


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Size of a pool, and limits of its processes."""

    processes: int = 1
    """Number of concurrent jobs."""
    memory_bytes: int | None = 4 * 1024**3
    """Address space of each process; a job that needs more ends with ``out_of_memory``. None: no limit."""
    job_timeout: float | None = 120.0
    """Time limit of one job in seconds, after which its process is killed. None: no limit."""
    jobs_per_process: int = 200
    """Number of jobs after which a process is replaced, against slow leaks."""
    max_frame_bytes: int = 256 * 1024**2
    """Size limit of jobs and of results."""
    ready_timeout: float = 60.0
    """Time limit for the start of a process, in seconds."""
    niceness: int = 5
    """Added to the processes' niceness, so that the service's event loop keeps its core."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A function that a process calls before its first job, within its limits of memory and time."""

    target: str
    """``package.module:function``; the function takes ``argument``."""
    argument: str


class ProcessPool:
    """Runs one function, fixed at construction, in child processes.

    ::

        async with ProcessPool("generator_service.engines.job_runner:perform", PoolSettings(processes=2)) as pool:
            result = await pool.run(job, report)

    """

    def __init__(self, target: str, settings: PoolSettings, preparation: Preparation | None = None) -> None:
        self._settings = settings
        self._command = ChildCommand(
            target=target,
            memory_bytes=settings.memory_bytes,
            max_frame_bytes=settings.max_frame_bytes,
            ready_timeout=settings.ready_timeout,
            niceness=settings.niceness,
            prepare=None if preparation is None else (preparation.target, preparation.argument),
        )
        self._idle: asyncio.Queue[Child | None] = asyncio.Queue()
        """Idle children; None once the pool is closing, permanently."""
        self._turn = asyncio.Lock()
        self._queued = 0
        """Number of jobs that wait for a process."""
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all processes and wait until they accept jobs.

        Raises:
            EngineError: a process did not start; the log has its output.

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
        """Run ``job`` in the next free process and return the function's result.

        ``report`` is called on the event loop with the function's progress, and with `WAITING` while all processes
        are busy; the clock of a `WorkTimeout` is paused meanwhile. If the call is cancelled, the process is killed
        and replaced, so the job stops.

        Raises:
            ImageRejected: the function raised it.
            EngineError: the process died, ran out of memory or failed otherwise, or the pool is closing.

        """
        child = await self._acquire(report)
        try:
            # Encoded only once a child is free: waiting jobs need no second copy of their photo.
            body = child_main.encode(job, self._settings.max_frame_bytes)
            async with asyncio.timeout(self._settings.job_timeout) as deadline:
                outcome = await child.perform(body, report)
        except child_main.FrameTooLarge as error:
            raise EngineError("job_too_large", f"{error}; send a smaller photo", retryable=False) from None
        except ChildDied as death:
            raise self._crashed(death) from None
        except TimeoutError:
            if not deadline.expired():
                raise
            raise EngineError(
                "job_timeout",
                f"processing the photo took longer than the {self._settings.job_timeout:g} s allowed; "
                "send a smaller photo, or raise WHITEBG_POOL_JOB_TIMEOUT",
                # A retry of the same photo would occupy a process for the same time.
                retryable=False,
            ) from None
        finally:
            await self._give_back(child)
        return self._result(outcome)

    async def close(self) -> None:
        """End all processes. Running, waiting and future calls end with ``shutting_down``. Idempotent."""
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
        """Keep one slot of the pool filled: whenever its child dies, start another."""
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

    async def _acquire(self, report: Callable[[int, str], None]) -> Child:
        """Return a free process, waiting for one in the order of the calls."""
        if not self._queued and (child := self._idle_child()) is not None:
            return child
        report(0, WAITING)
        self._queued += 1
        try:
            with waiting():
                async with self._turn:
                    return await self._free_child()
        finally:
            self._queued -= 1

    def _idle_child(self) -> Child | None:
        """Return a process that is free now; None if there is none or the pool is closing."""
        while not self._closing and not self._idle.empty():
            child = self._idle.get_nowait()
            if child is not None and child.fit:
                return child
        return None

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
            engine_fault=True,
        )

    def _result(self, outcome: child_main.Outcome) -> object:
        match outcome:
            case child_main.Done(result):
                return result
            case child_main.Rejected(code, message):
                raise ImageRejected(code, message)
            case child_main.OutOfMemory():
                limit = (self._settings.memory_bytes or 0) / 1024**2
                raise EngineError(
                    "out_of_memory",
                    f"the photo needs more memory than the {limit:,.0f} MiB that a process may have; "
                    "send a smaller photo",
                    retryable=True,
                    max_attempts=2,
                    engine_fault=True,
                )
            case child_main.Oversized(size):
                limit = self._settings.max_frame_bytes
                raise EngineError(
                    "result_too_large",
                    f"the picture takes {size} bytes and at most {limit} are possible; ask for a smaller size or JPEG",
                    retryable=False,
                )
            case child_main.Raised(error, traceback):
                _log.error("a job failed: %s", traceback)
                raise EngineError(
                    "engine_failed",
                    f"the engine failed with an internal error ({error}); the service's log has the details",
                    retryable=True,
                    max_attempts=2,
                    engine_fault=True,
                )


def _shutting_down() -> EngineError:
    return EngineError("shutting_down", "the service is shutting down; the task runs again later", retryable=True)
