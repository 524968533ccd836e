"""Connections to the Redis that several gateways share. Only a gateway that has one imports this module."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIMEOUT_S = 1.0
"""How long one try to connect, or one answer, may take."""
_CONNECTIONS = 16
"""Of one client. When all are in use, calls wait: a burst of clients must not look like an unavailable server."""
_WAIT_S = 5.0
"""How long."""
UNREACHABLE = (RedisError, OSError, TimeoutError, ValueError)
"""Errors of a server that is unavailable, too slow, or unable to run a command; the last, of one that is no Redis."""


def check_url(url: str) -> None:
    """See that a URL can be used: ``redis://``, ``rediss://`` (TLS) or ``unix://``.

    Raises:
        ValueError: the address is invalid; the message never contains the password.

    """
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    try:
        parse_url(url)
    except ValueError as error:
        raise ValueError("can't be read; it looks like redis://:password@host:6379/0") from error


def connect(url: str) -> Redis:
    """Return a client that connects when it is used. Text comes back as text.

    A connection that a restart has cut is opened again without its user noticing.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_WAIT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
        client_name="whitebg-gateway",
    )
    return Redis.from_pool(pool)
