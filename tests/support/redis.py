"""A temporary Redis server on a free port, in memory only."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import Program, free_port


class RedisServer:
    """A server that can be killed and restarted on the same port."""

    def __init__(self, tls: Path | None = None) -> None:
        """With a folder of certificates (`tools.certificates`) it accepts only TLS."""
        program = shutil.which("redis-server")
        assert program, "no Redis server is installed; run: sh tools/setup.sh dev"
        self._program = program
        self.port = free_port()
        self._tls = tls
        self.url = f"redis://127.0.0.1:{self.port}"
        if tls is not None:
            self.url = f"rediss://127.0.0.1:{self.port}?ssl_ca_certs={tls / 'ca.pem'}"
        self._process: Program | None = None

    def start(self) -> None:
        """Start it, and return once it accepts connections."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "daemonize": "no"}
        if self._tls is not None:
            files = {"cert-file": "server.pem", "key-file": "server.key", "ca-cert-file": "ca.pem"}
            options |= {f"tls-{option}": str(self._tls / name) for option, name in files.items()}
            options |= {"port": 0, "tls-port": self.port, "tls-auth-clients": "no"}
        argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = Program([self._program, *argv], {})
        self._process.wait_for("Ready to accept connections")

    @property
    def process(self) -> Program:
        """The server's process; only while it runs."""
        assert self._process is not None, "it was not started"
        return self._process

    def freeze(self) -> None:
        """Keep connections open without answering, as a hung host does."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it."""
        self.process.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.close()


@contextmanager
def redis_server(tls: Path | None = None) -> Iterator[RedisServer]:
    """Run a server while the block runs."""
    server = RedisServer(tls)
    try:
        server.start()
        yield server
    finally:
        server.kill()
