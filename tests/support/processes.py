"""Real processes under test: started on free ports, with all output collected, and always stopped."""

from __future__ import annotations

import itertools
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

from tests.support.patience import PATIENCE


def children(pid: int) -> list[int]:
    """Return the ids of the live processes started by ``pid``."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += [int(child) for child in tasks.read_text().split()]
    return sorted(child for child in found if alive(child))


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # ended before it was opened, or before it was read
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def peak_memory(pid: int) -> int:
    """Return the peak memory of a process, in bytes."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def engine_pids(pid: int) -> list[int]:
    """Return the ids of the engine processes of a service."""
    return [child for child in children(pid) if b"job_runner" in Path(f"/proc/{child}/cmdline").read_bytes()]


def environment(**settings: str) -> dict[str, str]:
    """Return the current environment with only these ``WHITEBG_`` settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHITEBG_")}
    return inherited | {f"WHITEBG_{name.upper()}": value for name, value in settings.items()}


def _ports() -> Iterator[int]:
    """Yield this run's ports one after the other; parallel workers share none.

    The system assigns none of them to outgoing connections, so a port that is free now is free when its server starts.
    """
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    ours = range(10_000 + int(worker.removeprefix("gw")), _first_ephemeral_port(), int(workers))
    # Concurrent runs, as of two checkouts, start with different ports.
    first = random.randrange(len(ours))
    return itertools.cycle([*ours[first:], *ours[:first]])


def _first_ephemeral_port() -> int:
    given_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(given_out.read_text().split()[0]) if given_out.exists() else 32_768


_PORTS = _ports()


def free_port() -> int:
    """Return a port without a listener that was not returned before."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


class Ended(AssertionError):
    """The process ended before the expected event."""


class Program:
    """A process. A thread reads its output, so that a full pipe never blocks it; tests wait for lines."""

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
        """The child processes."""
        return children(self.pid)

    @property
    def output(self) -> str:
        """The output so far."""
        with self._news:
            return "\n".join(self.lines)

    def wait_for(self, text: str, *, within: float = PATIENCE) -> str:
        """Return the first line that contains ``text``, waiting until it is printed."""
        with self._news:
            self._news.wait_for(lambda: self._ended or any(text in line for line in self.lines), within)
            for line in self.lines:
                if text in line:
                    return line
        raise Ended(f"{text!r} was never printed; the process is at {self._process.poll()} and said:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Request a drain and an orderly exit."""
        self._process.terminate()

    def send_line(self, text: str) -> None:
        """Let it read a line on its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def close_stdin(self) -> None:
        """Close its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, within: float = PATIENCE) -> int:
        """Return its exit status once it has ended and all its output was read."""
        status = self._process.wait(within)
        self._listener.join(within)
        return status

    def kill(self) -> None:
        """End it with SIGKILL; return once it has ended."""
        self._process.kill()
        self.wait()

    def close(self) -> None:
        """End it and its children, in any state."""
        orphans = children(self.pid) if self._process.poll() is None else []
        self._process.kill()
        self._process.wait(PATIENCE)
        for orphan in orphans:
            # Stopped ones (SIGSTOP) do not notice that their parent has ended, and some would go on without it.
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
    """`python -m generator_service serve` on a data folder; ready once constructed."""

    def __init__(self, data_dir: Path, secret: str, *, module: str = "generator_service", **settings: str) -> None:
        chosen = {"data_dir": str(data_dir), "jwt_secret": secret, "grpc_port": "0"} | settings
        super().__init__([sys.executable, "-m", module, "serve"], chosen)
        try:
            serving: dict[str, Any] = json.loads(self.wait_for('"message": "serving"'))
        except BaseException:
            self.close()
            raise
        self.target: str = serving["address"]
        self.port = int(self.target.rpartition(":")[2])

    @property
    def engine_pids(self) -> list[int]:
        """Ids of the processes of its engine pool."""
        return engine_pids(self.pid)

    @property
    def inspector_pids(self) -> list[int]:
        """Ids of the processes that read photo headers."""
        return [pid for pid in self.children if b"inspect_runner" in Path(f"/proc/{pid}/cmdline").read_bytes()]


class WorkerProcess(Program):
    """`python -m generator_service worker`, which needs no signing secret; ready once constructed."""

    def __init__(
        self, data_dir: Path, database_url: str, *, module: str = "generator_service", **settings: str
    ) -> None:
        chosen = {
            "data_dir": str(data_dir),
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
