"""A temporary PostgreSQL server on a free port, in its own folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.processes import Program, free_port

SUPERUSER = "postgres"


class NoPostgres(Exception):
    """The PostgreSQL programs are not installed."""


def programs() -> Path:
    """Return the folder of the newest installed PostgreSQL programs.

    Raises:
        NoPostgres: none are installed.

    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise NoPostgres("no PostgreSQL server is installed; run: sh tools/setup.sh dev")


class PostgresServer:
    """A server that can be stopped, killed and restarted with the same data and port.

    Committed data survives a kill of the server, but not a power failure: it does not wait for the disk.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._bin = programs()
        self._durable = durable
        self._folder = Path(tempfile.mkdtemp(prefix="whitebg-postgres-"))
        self._as_user: list[str] = []
        if os.getuid() == 0:
            # The server refuses to run as root, and its own user can't read other users' folders. Another program
            # changes the user: Python would fork for that, and a child with gRPC's threads may crash.
            shutil.chown(self._folder, SUPERUSER)
            self._as_user = ["setpriv", f"--reuid={SUPERUSER}", f"--regid={SUPERUSER}", "--init-groups", "--"]
        self.port = free_port()
        self._process: Program | None = None
        subprocess.run(
            [*self._as_user, self._bin / "initdb", "-D", self._folder / "data", "-U", SUPERUSER, "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, capture_output=True, cwd=self._folder,
        )  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return once it accepts connections."""
        self._process = Program(
            [
                *self._as_user,
                *(str(self._bin / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"),
                *("-c", f"fsync={'on' if self._durable else 'off'}", "-c", "log_min_messages=log"),
            ],
            {},
        )
        self._process.wait_for("database system is ready to accept connections")

    @property
    def process(self) -> Program:
        """The server's process; only while it runs."""
        assert self._process is not None, "it was not started"
        return self._process

    def stop(self) -> None:
        """Stop it cleanly; its clients are disconnected."""
        assert self._process is not None
        # SIGINT is its "fast" shutdown; SIGTERM would wait for all clients to disconnect.
        self._process.signal(signal.SIGINT)
        self._process.wait()
        self._process.close()

    def kill(self) -> None:
        """Kill it with all of its server processes."""
        assert self._process is not None
        self._process.close()

    def restart(self) -> None:
        """Stop it cleanly and start it again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and delete its folder."""
        if self._process is not None:
            self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def execute(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> None:
        """Run a statement outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str = "template1") -> str:
        """Create a database from a template; return its name."""
        name = f"db_{uuid.uuid4().hex}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self.execute(statement)
        return name

    def tool(self, name: str) -> str:
        """Return the path of a program that comes with the server, such as pg_dump."""
        return str(self._bin / name)

    def drop(self, database: str) -> None:
        """Drop a database, even one in use."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server while the block runs."""
    server = PostgresServer(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.close()
