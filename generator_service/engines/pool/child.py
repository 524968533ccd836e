"""Handle of one child process of a pool: starts it, sends it one job at a time, ends it."""

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

from generator_service.engines.pool import child_main

_log = logging.getLogger(__name__)

# Large enough to send a photo in few steps, small enough that a step does not block the event loop.
_CHUNK_BYTES = 256 * 1024
_MAX_LOG_LINE = 2000
_INHERITED = frozenset(
    {
        *("PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONWARNINGS"),
    }
)
"""Environment variables that an engine process inherits from the service."""


class ChildDied(Exception):
    """The process ended or broke the protocol. The string has the cause, such as "was killed by SIGSEGV"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCommand:
    """How to start a child."""

    target: str
    """``package.module:function``; the function takes a job and a report, and returns a result."""
    memory_bytes: int | None
    """Limit of the address space (RLIMIT_AS); None: no limit."""
    max_frame_bytes: int
    """Size limit of jobs and of results."""
    ready_timeout: float
    """Time limit of the imports, in seconds."""
    niceness: int
    """Added to the process's niceness."""
    prepare: tuple[str, str] | None = None
    """``package.module:function`` that is called with this text once, before the first job."""

    @property
    def argv(self) -> list[str]:
        """The command line."""
        # -P: modules are found on the parent's path (PYTHONPATH below), not in the working directory.
        argv = [sys.executable, "-P", "-m", "generator_service.engines.pool.child_main", "--target", self.target]
        argv += ["--max-frame-bytes", str(self.max_frame_bytes), "--niceness", str(self.niceness)]
        argv += ["--prepare", *self.prepare] if self.prepare else []
        return argv + (["--memory-bytes", str(self.memory_bytes)] if self.memory_bytes else [])

    @property
    def environment(self) -> dict[str, str]:
        """The child's environment: an allow-list, because a process that decodes photos must not hold secrets."""
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        return inherited | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Child:
    """One running process. It is ``fit`` for another job until it dies or a job is aborted."""

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
        """Number of jobs sent so far."""

    @classmethod
    async def start(cls, command: ChildCommand) -> Self:
        """Start a process and wait until it accepts jobs.

        Raises:
            ChildDied: the process ended early, or its imports took too long.
            OSError: no process could be created.

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

    async def perform(self, job: bytes, report: Callable[[int, str], None]) -> child_main.Outcome:
        """Run a job (`child_main.encode`). If the call is cancelled, the process is killed and reaped first.

        Raises:
            ChildDied: the process ended without an outcome.

        """
        self.jobs += 1
        self.fit = False
        try:
            await self._send(job)
            while isinstance(message := await self._receive(), child_main.Progress):
                report(message.percent, message.stage)
        except BaseException:
            await self.end()
            raise
        if not isinstance(message, Outcomes):
            await self.end()
            raise ChildDied(f"said {type(message).__name__} out of turn")
        # The heap that remains after memory ran out is not worth keeping.
        self.fit = not isinstance(message, child_main.OutOfMemory)
        return message

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Kill the process, wait for its end, and close its pipes. Idempotent."""
        self.fit = False
        if self._process.returncode is None:
            # It may have ended without being reaped yet, which is fine.
            try:
                self._process.kill()
            except ProcessLookupError:
                _log.debug("engine process %d was already gone", self.pid)
        self._stdin.close()
        # `Process.wait` returns only once the pipes are closed, and a pipe closes only when it was read to its end.
        async with self._reading:
            while await self._stdout.read(_CHUNK_BYTES):
                pass
        await asyncio.wait([self._log_task])  # unlike a bare await, being cancelled here does not cancel the task
        await self._process.wait()

    async def _send(self, body: bytes) -> None:
        try:
            header = child_main.HEADER.pack(len(body))
            if len(body) <= _CHUNK_BYTES:
                # In one step, so that the child wakes up once.
                self._stdin.write(header + body)
                await self._stdin.drain()
                return
            self._stdin.write(header)
            view = memoryview(body)
            for start in range(0, len(view), _CHUNK_BYTES):
                self._stdin.write(view[start : start + _CHUNK_BYTES])
                await self._stdin.drain()
        except ConnectionError:
            raise ChildDied(await self._how_it_ended()) from None

    async def _receive(self) -> object:
        try:
            async with self._reading:
                return await _receive(self._stdout, self._max_frame_bytes)
        except EOFError:
            raise ChildDied(await self._how_it_ended()) from None
        except child_main.FrameTooLarge as error:
            raise ChildDied(f"sent {error.size} bytes, more than the {error.limit} allowed") from None

    async def _how_it_ended(self) -> str:
        """Return how the process ended; only valid after a pipe closed, which happens just before the end."""
        code = await self._process.wait()
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"


Outcomes = (child_main.Done, child_main.Rejected, child_main.OutOfMemory, child_main.Oversized, child_main.Raised)


async def _receive(stream: asyncio.StreamReader, limit: int) -> object:
    """Read the next message.

    Raises:
        EOFError: the stream ended (`asyncio.IncompleteReadError` is one).
        FrameTooLarge: the message is longer than ``limit`` bytes; the stream can't be read further.

    """
    (size,) = child_main.HEADER.unpack(await stream.readexactly(child_main.HEADER.size))
    if size > limit:
        raise child_main.FrameTooLarge(size, limit)
    return child_main.decode(await stream.readexactly(size))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no name
        return f"signal {number}"


async def _log_lines(stderr: asyncio.StreamReader, pid: int) -> None:
    """Log a child's stderr line by line, until its end."""
    while True:
        try:
            line = await stderr.readline()
        except ValueError:
            _log.warning("engine process %d: (a line too long for the log)", pid)
            continue
        if not line:
            return
        _log.warning("engine process %d: %s", pid, line[:_MAX_LOG_LINE].decode(errors="replace").rstrip())
