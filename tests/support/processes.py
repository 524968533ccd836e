"""Real processes under test: started where a port is free, heard to their last word, and never left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 30.0
"""Seconds that anything may take before a test gives up: far more than it should."""


def children(pid: int) -> list[int]:
    """Return the ids of the processes that ``pid`` has started and that still live."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since
            found += [int(child) for child in tasks.read_text().split()]
    return sorted(child for child in found if alive(child))


def alive(pid: int) -> bool:
    """Say whether a process runs; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def environment(**settings: str) -> dict[str, str]:
    """Return our own environment with these ``WHITEBG_`` settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHITEBG_")}
    return inherited | {f"WHITEBG_{name.upper()}": value for name, value in settings.items()}


def free_port() -> int:
    """Return a port that nobody listens on, and that no connection is given by the system before a server takes it."""
    while True:
        port = random.randrange(10_000, _first_ephemeral_port())
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _first_ephemeral_port() -> int:
    given_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(given_out.read_text().split()[0]) if given_out.exists() else 32_768


class Ended(AssertionError):
    """The process ended before it did what it was waited for."""


class Program:
    """One process. A thread takes in what it prints, so that no full pipe can stop it, and waiting is for a line."""

    def __init__(self, argv: Sequence[str], settings: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(**settings),
            text=True,
            errors="replace",
        )
        self._listener = threading.Thread(target=self._listen, name=f"listener-{self.pid}", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def children(self) -> list[int]:
        """The processes that it has started."""
        return children(self.pid)

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        with self._news:
            return "\n".join(self.lines)

    def wait_for(self, text: str, *, within: float = PATIENCE) -> str:
        """Return the first line that contains ``text``, once it has been printed."""
        with self._news:
            self._news.wait_for(lambda: self._ended or any(text in line for line in self.lines), within)
            for line in self.lines:
                if text in line:
                    return line
        raise Ended(f"{text!r} was never printed; the process is at {self._process.poll()} and said:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._process.terminate()

    def close_stdin(self) -> None:
        """Let it read the end of its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, within: float = PATIENCE) -> int:
        """Return its exit status once it has ended and everything it printed was taken in."""
        status = self._process.wait(within)
        self._listener.join(within)
        return status

    def kill(self) -> None:
        """End it with SIGKILL, and return when it is gone."""
        self._process.kill()
        self.wait()

    def close(self) -> None:
        """Leave nothing of it behind, whatever state it is in."""
        orphans = children(self.pid) if self._process.poll() is None else []
        self._process.kill()
        self._process.wait(PATIENCE)
        for orphan in orphans:
            # Stopped ones (SIGSTOP) do not notice that their parent has gone, and some would go on without it.
            if alive(orphan):
                os.kill(orphan, signal.SIGKILL)
        self.wait()
        self.close_stdin()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class ServiceProcess(Program):
    """`python -m generator_service serve` on a data folder; serving once it is made."""

    def __init__(self, data_dir: Path, secret: str, **settings: str) -> None:
        chosen = {"data_dir": str(data_dir), "jwt_secret": secret, "grpc_port": "0"} | settings
        super().__init__([sys.executable, "-m", "generator_service", "serve"], chosen)
        try:
            serving: dict[str, Any] = json.loads(self.wait_for('"message": "serving"'))
        except BaseException:
            self.close()
            raise
        self.target: str = serving["address"]
        self.port = int(self.target.rpartition(":")[2])

    @property
    def engine_pids(self) -> list[int]:
        """The processes of its engine pool."""
        return self.children


class WorkerProcess(Program):
    """`python -m generator_service worker`; working once it is made."""

    def __init__(
        self, data_dir: Path, secret: str, database_url: str, *, module: str = "generator_service", **settings: str
    ) -> None:
        chosen = {
            "data_dir": str(data_dir),
            "jwt_secret": secret,
            "database_url": database_url,
            "worker_slots": "1",
            "pool_processes": "1",
        }
        super().__init__([sys.executable, "-m", module, "worker"], chosen | settings)
        try:
            self.owner: str = json.loads(self.wait_for('"message": "working"'))["worker"]
        except BaseException:
            self.close()
            raise


@contextmanager
def program(argv: Sequence[str], **settings: str) -> Iterator[Program]:
    """Run a program while the block runs."""
    process = Program(argv, settings)
    try:
        yield process
    finally:
        process.close()


@contextmanager
def service_process(data_dir: Path, secret: str, **settings: str) -> Iterator[ServiceProcess]:
    """Run a service while the block runs."""
    process = ServiceProcess(data_dir, secret, **settings)
    try:
        yield process
    finally:
        process.close()
