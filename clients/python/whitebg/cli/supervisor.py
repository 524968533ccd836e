"""Child processes: restarted when they die, their output logged, stopped in order. They never outlive their parent.

A child runs in a session of its own, so that Ctrl-C reaches the parent alone. Its standard input is a pipe that the
parent holds: when the parent ends, however it ends, the child reads the end of it and drains.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from whitebg.cli.restart import RestartPolicy, RestartState
from whitebg_process.private_files import open_private

LOG_BYTES, LOG_FILES = 5_000_000, 3
LAST_LINES = 20
MAX_LINE = 64 * 1024
_LOG_LINE = re.compile(r"\{|[EIW]\d{4} ")
MISCONFIGURED = 2
"""Exit code of a child that can't use its settings; it has printed why."""

OnLine = Callable[[str, str], None]
"""Called with a child's name and one line that it printed."""
OnNews = Callable[[str, str], None]
"""Called with a child's name and the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. ``environment`` is added to our own."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # It holds the signing secret.


class ChildCrashLooping(Exception):
    """A child died too often, too quickly. ``last_lines`` is the end of its output."""

    def __init__(self, name: str, code: int, deaths: int, last_lines: list[str]) -> None:
        super().__init__(f"{name} died {deaths} times in a row, the last time with exit code {code}")
        self.last_lines = last_lines


class Misconfigured(Exception):
    """A child ended because it can't use its settings; starting it again would change nothing.

    ``problems`` are its messages for the user, a line each.
    """

    def __init__(self, name: str, problems: list[str]) -> None:
        super().__init__(f"the {name} can't start")
        self.problems = problems


class _PrivateLog(RotatingFileHandler):
    """A log that only its owner can read, after a rotation too."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=open_private)  # type: ignore[return-value]


class Child:
    """One command, started again when it dies."""

    def __init__(self, command: Command, *, policy: RestartPolicy, on_news: OnNews, on_line: OnLine | None) -> None:
        self.command = command
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._policy = policy
        self._on_news = on_news
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._log = logging.getLogger(f"{__name__}.{command.name}")

    @property
    def pid(self) -> int | None:
        """Process id while it lives."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Keep it alive until `stop`.

        Raises:
            GaveUp: it died too often, too quickly.
            Misconfigured: it can't use its settings.
            OSError: it can't be started at all.

        """
        state = RestartState()
        with self._log_file():
            while not self._stopping.is_set():
                began = time.monotonic()
                code = await self._live_once()
                if self._stopping.is_set():
                    return
                if code == MISCONFIGURED:
                    raise Misconfigured(self.command.name, self._problems())
                state, delay = state.after_death(self._policy, time.monotonic() - began)
                if delay is None:
                    raise ChildCrashLooping(self.command.name, code, state.quick_deaths, list(self.last_lines))
                printed = self._printed() if code > 0 else []
                reason = f" ({printed[-1]})" if printed else ""
                self._on_news(
                    self.command.name, f"died with exit code {code}{reason}; starting it again in {delay:.1f} s"
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)

    def _problems(self) -> list[str]:
        return self._printed() or list(self.last_lines)

    def _printed(self) -> list[str]:
        """Return the lines that the child printed last for people; those of its log are JSON objects, or gRPC's."""
        return [line for line in self.last_lines if line and not _LOG_LINE.match(line)]

    async def _live_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self.command.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.command.environment, "WHITEBG_EXIT_ON_STDIN_EOF": "1"},
            start_new_session=True,
            limit=MAX_LINE,
        )
        self._process = process
        if self._stopping.is_set():
            process.terminate()
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            listening = asyncio.create_task(self._listen(process.stdout))
            code = await process.wait()
            _signal_group(process.pid, signal.SIGKILL)  # Remaining children, such as pool workers.
            await listening
        except asyncio.CancelledError:
            _signal_group(process.pid, signal.SIGKILL)
            raise
        return code

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readuntil()
            except asyncio.IncompleteReadError as end:
                line = end.partial
            except asyncio.LimitOverrunError:
                line = await stream.read(MAX_LINE)  # A line without end is cut.
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\r\n")
            self.last_lines.append(text)
            self._log.info("%s", text)
            if self._on_line is not None:
                self._on_line(self.command.name, text)

    @contextlib.contextmanager
    def _log_file(self) -> Iterator[None]:
        handler = _PrivateLog(self.command.log, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.propagate = False
        self._log.setLevel(logging.INFO)
        self._log.addHandler(handler)
        try:
            yield
        finally:
            self._log.removeHandler(handler)
            handler.close()

    def stop(self) -> None:
        """Ask it to drain and end, and start it no more."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()  # Only the process itself: its children must finish the work that it waits for.

    def kill(self) -> None:
        """End it and all that it started, now."""
        self._stopping.set()
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)


class Supervisor:
    """Several children: started together, ended one after the other, the last one first."""

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        on_news: OnNews,
        on_line: OnLine | None = None,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.children = [
            Child(command, policy=policy or RestartPolicy(), on_news=on_news, on_line=on_line) for command in commands
        ]
        self._on_news = on_news
        self._runs: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all children."""
        self._runs = [asyncio.create_task(child.run(), name=child.command.name) for child in self.children]

    async def failed(self) -> None:
        """Wait until one of the children has failed for good, and return the reason.

        Raises:
            GaveUp: it died too often, too quickly.
            Misconfigured: it can't use its settings.
            OSError: it can't be started at all.

        """
        done, _ = await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
        for run in done:
            run.result()

    async def stop(self, within: float) -> None:
        """Drain the children, the last one first, all of them within ``within`` seconds; then kill the rest."""
        deadline = time.monotonic() + within
        for child, run in reversed(list(zip(self.children, self._runs, strict=True))):
            child.stop()
            _, late = await asyncio.wait([run], timeout=max(0.0, deadline - time.monotonic()))
            if late:
                self._on_news(child.command.name, f"did not drain within {within:g} s and is killed")
                child.kill()
                await asyncio.wait([run])
        # The first failure is reported by `failed`; that of another child, often for the same reason, adds nothing.
        await asyncio.gather(*self._runs, return_exceptions=True)

    def kill(self) -> None:
        """End all children and all that they started, now."""
        for child in self.children:
            child.kill()


def _signal_group(pid: int, number: signal.Signals) -> None:
    # The child leads its own session, so its process id names the group too.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
