"""Finding the service and a token for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from whitebg.cli.datadir import DataDir, default_data_dir
from whitebg.cli.problems import Problem
from whitebg.client import GeneratorClient
from whitebg.errors import ServiceUnavailable
from whitebg.tls import ClientTls
from whitebg.tokens import minting
from whitebg.wire import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line and the environment say about where to connect."""

    target: str | None = None
    token: str | None = None
    data_dir: Path | None = None
    user: str = "local"
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


def resolve(wanted: Wanted, *, scopes: tuple[str, ...] = ("tasks",)) -> Connection:
    """Fill in from the data directory what was not named.

    Raises:
        Problem: there is no telling where the service is, or no token for it.

    """
    folder = DataDir(wanted.data_dir or default_data_dir())
    endpoints = folder.endpoints()
    if wanted.target is None and endpoints is None:
        raise Problem(
            f"no service found: there is no --target, and no {folder.endpoints_path}",
            "start one with `whitebg up`, name its folder with --data-dir, or its address with --target HOST:PORT",
        )
    advice = "check --target, and that the service runs there"
    if wanted.target is None and endpoints is not None:
        state = "is running, but does not answer" if endpoints.alive else "is not running any more"
        advice = f"{folder.endpoints_path} says so, but its `whitebg up` (pid {endpoints.pid}) {state}: start it again"
    target = wanted.target or (endpoints.grpc_target if endpoints else "")
    if wanted.token:
        return Connection(target, wanted.token, advice, wanted.tls)
    secret = folder.secret()
    if secret is None:
        raise Problem(
            f"no token for {target}: there is no --token, and no {folder.secret_path} to make one with",
            "pass --token or WHITEBG_TOKEN, or name the folder of `whitebg up` with --data-dir",
        )
    return Connection(target, minting(secret, user=wanted.user, scopes=scopes), advice, wanted.tls)


@contextlib.asynccontextmanager
async def connected(connection: Connection) -> AsyncIterator[GeneratorClient]:
    """Open a client that has reached the service.

    Raises:
        Problem: nothing answers.

    """
    async with GeneratorClient(connection.target, connection.token, tls=connection.tls or False) as client:
        try:
            await client.ready(3.0)
        except ServiceUnavailable as error:
            raise Problem(str(error), connection.advice) from error
        yield client
