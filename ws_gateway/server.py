"""Running the application under uvicorn, and ending it without cutting anybody off."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ws_gateway.app import create_app
from ws_gateway.gateway import Gateway
from ws_gateway.logs import configure_logs
from ws_gateway.settings import Settings
from ws_gateway.wire import WireProtocol

log = logging.getLogger(__name__)

# Frames over 64 KiB are closed with 4004 by the session; beyond this uvicorn itself closes, with 1009.
_WS_MAX_BYTES = 1024 * 1024
_STDIN = 0
_MAX_FILES = 1024 * 1024


class Server(uvicorn.Server):
    """uvicorn that tells its sockets to resume elsewhere before it closes them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_timeout: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_timeout = drain_timeout
        self.listening = asyncio.Event()
        """Set once connections are taken."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        if self.started:
            log.info("listening on http://%s:%d", self.config.host, self.port)
            self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, tell the open ones to go, and end requests within the time set."""
        for server in self.servers:
            server.close()
        await self.gateway.connections.drain(self._drain_timeout)
        await super().shutdown(sockets)

    @property
    def gateway(self) -> Gateway:
        """The parts behind the routes; there once ``listening``."""
        gateway: Gateway = self._app.state.gateway
        return gateway

    @property
    def port(self) -> int:
        """The port that is listened on; good once ``started``."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


def make_server(settings: Settings) -> Server:
    """Make the server, not yet running."""
    app = create_app(settings)
    drain = settings.drain_timeout.total_seconds()
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        ws=WireProtocol,
        ws_per_message_deflate=False,
        ws_max_size=_WS_MAX_BYTES,
        # uvicorn's own access log writes the query, and with it tokens.
        access_log=False,
        log_config=None,
        # No proxy is believed about the client's address.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain)),
    )
    return Server(config, app, drain)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or, if so set, the end of standard input."""
    configure_logs(settings.log_level)
    raise_file_limit()
    server = make_server(settings)

    def stop() -> None:
        log.info("standard input ended; shutting down")
        server.should_exit = True

    if settings.exit_on_stdin_eof:
        on_stdin_eof(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains on these, then raises them again for whoever was there before: that is us, and all is done.
        signal.signal(number, _drained)
    server.run()


def raise_file_limit() -> None:
    """Let this process have as many open sockets as it may: the usual default, 1,024 files, is meant for `select`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _drained(number: int, _: FrameType | None) -> None:
    log.info("ended by signal %d", number)


def on_stdin_eof(callback: Callable[[], None]) -> None:
    """Call back from a thread when standard input ends. A thread, because not every kind of input can be polled."""

    def wait() -> None:
        while os.read(_STDIN, 4096):
            continue
        callback()

    threading.Thread(target=wait, name="stdin", daemon=True).start()
