"""Finding the service and a token for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from whitebg.cli import ports
from whitebg.cli.datadir import DataDir, default_data_dir
from whitebg.cli.problems import Problem
from whitebg.client import AsyncClient
from whitebg.errors import ServiceUnavailable
from whitebg.tls import ClientTls
from whitebg.tokens import DEFAULT_USER, minting
from whitebg.wire import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """Connection options from the command line and the environment."""

    target: str | None = None
    token: str | None = None
    data_dir: Path = field(default_factory=default_data_dir)
    user: str = DEFAULT_USER
    tls: ClientTls | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect and with what."""

    target: str
    token: Token
    advice: str
    """What to do when nothing answers there."""
    tls: ClientTls | None = None
    """None for plain text."""


def resolve(wanted: ConnectionOptions, *, scopes: tuple[str, ...] = ("tasks",)) -> Connection:
    """Complete the options from the data directory.

    Raises:
        Problem: the service's address is unknown, there is no token for it, or the token would cross the network in
            plain text.

    """
    folder = DataDir(wanted.data_dir)
    endpoints = folder.endpoints()
    if wanted.target is None and endpoints is None:
        raise Problem(
            f"no service found: there is no --target, and no {folder.endpoints_path}",
            "start one with `whitebg up`, name its folder with --data-dir, or its address with --target HOST:PORT",
        )
    advice = "check --target, and that the service runs there"
    if wanted.target is None and endpoints is not None:
        state = "is running, but does not answer" if endpoints.alive else "is not running any more"
        advice = f"{folder.endpoints_path} names it, but its `whitebg up` (pid {endpoints.pid}) {state}: start it again"
    target = wanted.target or (endpoints.grpc_target if endpoints else "")
    if wanted.token:
        return Connection(target, wanted.token, advice, wanted.tls)
    secret = folder.secret()
    if secret is None:
        raise Problem(
            f"no token for {target}: there is no --token, and no {folder.secret_path} to make one with",
            "pass --token or WHITEBG_TOKEN, or name the folder of `whitebg up` with --data-dir",
        )
    if wanted.tls is None and not ports.stays_here(target):
        raise Problem(
            f"a token made from {folder.secret_path} would go to {target} in plain text",
            "add --tls, or pass the token that is meant for that service with --token or WHITEBG_TOKEN",
        )
    return Connection(target, minting(secret, user=wanted.user, scopes=scopes), advice, wanted.tls)


@contextlib.asynccontextmanager
async def connected(connection: Connection) -> AsyncIterator[AsyncClient]:
    """Open a client that has reached the service.

    Raises:
        Problem: nothing answers.

    """
    async with AsyncClient(connection.target, connection.token, tls=connection.tls or False) as client:
        try:
            await client.ready(3.0)
        except ServiceUnavailable as error:
            raise Problem(str(error), connection.advice) from error
        yield client
