"""A pool's hold on one child process: starts it, gives it one job at a time, ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from generator_service.engines import frames

_log = logging.getLogger(__name__)

# Large enough that a photo passes in few steps, small enough that a step does not hold up the event loop.
_CHUNK_BYTES = 256 * 1024
_MAX_LOG_LINE = 2000


class ChildDied(Exception):
    """The process ended, or can't be understood any more. The string says how, such as "was killed by SIGSEGV"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCommand:
    """How to start a child."""

    target: str
    """``package.module:function``; the function takes a job and a report, and returns a result."""
    memory_bytes: int | None
    """Address space that it may have (RLIMIT_AS); None: no limit."""
    max_frame_bytes: int
    """Longest job and longest result."""
    ready_timeout: float
    """Seconds that its imports may take."""

    @property
    def argv(self) -> list[str]:
        """The command line."""
        # -P: modules come from where the parent's come from (PYTHONPATH below), not from the working directory.
        argv = [sys.executable, "-P", "-m", "generator_service.engines.child_main", "--target", self.target]
        argv += ["--max-frame-bytes", str(self.max_frame_bytes)]
        return argv + (["--memory-bytes", str(self.memory_bytes)] if self.memory_bytes else [])

    @property
    def environment(self) -> dict[str, str]:
        """The child's environment: without the service's settings, since whoever decodes photos needs no secret."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHITEBG_")}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        return inherited | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Child:
    """One running process. It is ``fit`` for another job until it died, or a job was broken off."""

    def __init__(self, process: Process, max_frame_bytes: int) -> None:
        assert process.stdin is not None  # noqa: S101  narrows: all three are pipes, see `start`
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._max_frame_bytes = max_frame_bytes
        self._reading = asyncio.Lock()
        self._log_task = asyncio.create_task(_log_lines(process.stderr, process.pid))
        self.fit = True
        self.jobs = 0
        """Jobs it was given so far."""

    @classmethod
    async def start(cls, command: ChildCommand) -> Self:
        """Start a process and wait until it takes jobs.

        Raises:
            ChildDied: it ended before, or its imports took too long.
            OSError: there is no process to be had.

        """
        process = await asyncio.create_subprocess_exec(
            *command.argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=command.environment, limit=_CHUNK_BYTES
        )
        child = cls(process, command.max_frame_bytes)
        try:
            async with asyncio.timeout(command.ready_timeout):
                await child._receive()
        except TimeoutError:
            await child.end()
            raise ChildDied(f"was not ready within {command.ready_timeout:g} s") from None
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def perform(self, job: bytes, report: Callable[[int, str], None]) -> frames.Outcome:
        """Have a job (`frames.encode`) done. If the call is broken off, the process is killed and reaped first.

        Raises:
            ChildDied: the process ended without an outcome.

        """
        self.jobs += 1
        self.fit = False
        try:
            await self._send(job)
            while isinstance(message := await self._receive(), frames.Progress):
                report(message.percent, message.stage)
        except BaseException:
            await self.end()
            raise
        if not isinstance(message, Outcomes):
            await self.end()
            raise ChildDied(f"said {type(message).__name__} out of turn")
        # What is left of a heap that was once full is not worth keeping.
        self.fit = not isinstance(message, frames.OutOfMemory)
        return message

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Kill the process, wait until it is gone, and let go of its pipes. May be called again."""
        self.fit = False
        if self._process.returncode is None:
            # Gone, but not yet known to be: what was wanted.
            try:
                self._process.kill()
            except ProcessLookupError:
                _log.debug("engine process %d was already gone", self.pid)
        self._stdin.close()
        # `Process.wait` returns only when its pipes are closed, and a pipe is only when it was read to its end.
        async with self._reading:
            while await self._stdout.read(_CHUNK_BYTES):
                pass
        await asyncio.wait([self._log_task])  # unlike a bare await, being cancelled here does not cancel the task
        await self._process.wait()

    async def _send(self, body: bytes) -> None:
        try:
            self._stdin.write(frames.HEADER.pack(len(body)))
            view = memoryview(body)
            for start in range(0, len(view), _CHUNK_BYTES):
                self._stdin.write(view[start : start + _CHUNK_BYTES])
                await self._stdin.drain()
        except ConnectionError:
            raise ChildDied(await self._how_it_ended()) from None

    async def _receive(self) -> object:
        try:
            async with self._reading:
                return await frames.receive(self._stdout, self._max_frame_bytes)
        except EOFError:
            raise ChildDied(await self._how_it_ended()) from None
        except frames.FrameTooLarge as error:
            raise ChildDied(f"sent {error.size} bytes, more than the {error.limit} allowed") from None

    async def _how_it_ended(self) -> str:
        """Say how; only to be called when a pipe was found closed, which is a moment before the process is gone."""
        code = await self._process.wait()
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"


Outcomes = (frames.Done, frames.Rejected, frames.OutOfMemory, frames.Oversized, frames.Raised)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no name
        return f"signal {number}"


async def _log_lines(stderr: asyncio.StreamReader, pid: int) -> None:
    """Pass what a child says on stderr to the log, until it ends."""
    while True:
        try:
            line = await stderr.readline()
        except ValueError:
            _log.warning("engine process %d: (a line too long for the log)", pid)
            continue
        if not line:
            return
        _log.warning("engine process %d: %s", pid, line[:_MAX_LOG_LINE].decode(errors="replace").rstrip())
