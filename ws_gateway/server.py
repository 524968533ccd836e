"""Running the application under uvicorn, and shutting it down gracefully."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from whitebg_process.event_loops import call_in_loop
from whitebg_process.garbage import settle_garbage
from whitebg_process.hardening import protect_memory
from whitebg_process.known_settings import unknown_settings
from whitebg_process.logs import configure_logs
from whitebg_process.standard_input import on_end_of_input
from whitebg_process.stopping import exit_within, seconds_to_end
from ws_gateway.app import create_app
from ws_gateway.clock import Clock
from ws_gateway.components import Gateway
from ws_gateway.http.security_headers import SecurityHeaders
from ws_gateway.http.slow_heads import HttpProtocol
from ws_gateway.settings import Settings
from ws_gateway.telemetry import request_id
from ws_gateway.websocket.transport import WireProtocol

log = logging.getLogger(__name__)

# Frames over 64 KiB are closed with 4004 by the session; beyond this uvicorn itself closes, with 1009.
_WS_MAX_BYTES = 1024 * 1024
KEEP_ALIVE_S = 75
"""How long an idle HTTP connection stays open. Longer than proxies keep theirs (nginx: 60 s): one that reuses a
connection while the gateway closes it can only answer 502, because an upload may not be sent twice."""
_MAX_FILES = 1024 * 1024
_CANNOT_LISTEN = (
    "can't listen on {host}:{port}: stop what listens there, or set WHITEBG_HTTP_HOST and WHITEBG_HTTP_PORT"
)


class CannotListen(Exception):
    """The configured address can't be listened on; the message names the settings."""


class Server(uvicorn.Server):
    """uvicorn that asks its sockets to resume elsewhere before it closes them."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        drain_timeout: float,
        leaving: asyncio.Event,
        bound: Callable[[float], object] | None = None,
    ) -> None:
        """Make the server. ``bound`` is called once with the seconds until it must have ended."""
        super().__init__(config)
        self._app = app
        self._leaving = leaving
        self._bound = bound
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain_timeout = drain_timeout
        self.listening = asyncio.Event()
        """Set once connections are taken."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening.

        Raises:
            CannotListen: the address can't be used; uvicorn has logged the reason.

        """
        self._loop = asyncio.get_running_loop()
        if self.should_exit:  # A signal came before there was a loop.
            self._begin_leaving()
        try:
            await super().startup(sockets)
        except SystemExit:
            if unusable := getattr(self._app.state, "unusable_address", None):
                raise CannotListen(unusable) from None
            if self.lifespan.should_exit:  # The application did not start, and its reason is logged.
                raise
            raise CannotListen(_CANNOT_LISTEN.format(host=self.config.host, port=self.config.port)) from None
        if self.started:
            settle_garbage()
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            log.info("listening on http://%s:%d", host, self.port)
            self.listening.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal, whether the start is over or not."""
        super().handle_exit(sig, frame)
        self.leave()

    def leave(self) -> None:
        """Stop, also while the start still waits; from any thread."""
        self.should_exit = True
        if self._loop is not None:
            call_in_loop(self._loop, self._begin_leaving)

    def _begin_leaving(self) -> None:
        if self._leaving.is_set():
            return
        self._leaving.set()
        if self._bound is not None:
            self._bound(seconds_to_end(self._drain_timeout, started=self.started))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, drain the open ones, and end requests, all within the configured time."""
        for server in self.servers:
            server.close()
        began = time.monotonic()
        await self.gateway.connections.drain(self._drain_timeout)
        left = self._drain_timeout - (time.monotonic() - began)
        self.config.timeout_graceful_shutdown = max(1, round(left))
        await super().shutdown(sockets)

    @property
    def gateway(self) -> Gateway:
        """The parts behind the routes; there once ``listening``."""
        gateway: Gateway = self._app.state.gateway
        return gateway

    @property
    def metrics_port(self) -> int | None:
        """The port of the metrics, None for none; there once ``listening``."""
        port: int | None = self._app.state.metrics_port
        return port

    @property
    def port(self) -> int:
        """The port that is listened on; good once ``started``."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


def make_server(
    settings: Settings, clock: Clock | None = None, bound: Callable[[float], object] | None = None
) -> Server:
    """Make the server, not yet running. ``clock`` defaults to the machine's; ``bound`` as in `Server`."""
    leaving = asyncio.Event()
    app = create_app(settings, clock, leaving)
    drain = settings.drain_timeout.total_seconds()
    config = uvicorn.Config(
        SecurityHeaders(app),
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        # On h11, which is tested: it answers 400 to a second Host header and 404 to an absolute request target.
        http=HttpProtocol,
        ws=WireProtocol,
        ws_per_message_deflate=False,
        ws_max_size=_WS_MAX_BYTES,
        # uvicorn's own access log writes the query, and with it tokens.
        access_log=False,
        log_config=None,
        # No proxy is believed about the client's address.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    return Server(config, app, drain, leaving, bound)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or, if so set, the end of standard input."""
    configure_logs(settings.log_level, request_id.fields)
    protect_memory()
    for problem in unknown_settings(os.environ):
        log.warning(problem)
    raise_file_limit()
    server = make_server(settings, bound=exit_within)

    def stop() -> None:
        log.info("standard input ended; shutting down")
        server.leave()

    if settings.exit_on_stdin_eof:
        on_end_of_input(stop)

    def ended(number: int, _: FrameType | None) -> None:
        log.info("ended by signal %d", number)
        server.leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains on these, then restores the previous handlers, these ones, and raises the signals again. One
        # that comes before uvicorn has its own must not be lost.
        signal.signal(number, ended)
    server.run([shared_socket(settings.http_host, settings.http_port)] if settings.http_shared_port else None)


def shared_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket whose port other processes of this user may listen on, too.

    Raises:
        CannotListen: the address can't be used.

    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        raise CannotListen(_CANNOT_LISTEN.format(host=host, port=port)) from error
    return listener


def raise_file_limit() -> None:
    """Let this process have as many open sockets as it may: the usual default, 1,024 files, is meant for `select`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
