"""WebSocket servers as peers of the gateway: nchan, Socket.IO with recovery, stock FastAPI.

Each sends what a client publishes on its own socket to all sockets of the same user: no token is checked, nothing is
stored on disk, and no second process takes part. So they show the least that a broadcast costs.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from tests.support.nginx import nginx_program
from tests.support.processes import Program, free_port, program
from tools.benchmarks.live import peer_program
from tools.node import find_node

NODE_MODULES = Path(__file__).parents[2] / ".venv" / "peers" / "node_modules"
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_NGINX = """
load_module {module};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location ~ /(.*)$ {{
            nchan_pubsub websocket;
            nchan_channel_id $1;
            nchan_message_buffer_length 100;
            nchan_message_timeout 2m;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


class Broadcaster(ABC):
    """A running server, and how its clients talk to it."""

    name: str

    def __init__(self, server: Program, port: int) -> None:
        self.server = server
        self._port = port

    @abstractmethod
    def address(self, user: str) -> str:
        """Return the address of a user's socket."""

    async def greet(self, socket: ClientConnection) -> None:  # noqa: B027 (most servers need none)
        """Return once the server serves a new socket."""

    def published(self, text: str) -> str:
        """Return the frame that publishes a text."""
        return text

    def received(self, frame: str) -> str | None:
        """Return the text that a frame brings; None if it is of another kind."""
        return frame


class Nchan(Broadcaster):
    """nginx with nchan; it keeps 100 messages of each channel in memory, for two minutes."""

    name = "nchan"

    def address(self, user: str) -> str:
        """Return the address of a user's socket."""
        return f"ws://127.0.0.1:{self._port}/{user}"


class SocketIo(Broadcaster):
    """Socket.IO; it keeps messages in memory for two minutes."""

    name = "Socket.IO with recovery"

    def address(self, user: str) -> str:
        """Return the address of a user's socket."""
        return f"ws://127.0.0.1:{self._port}/socket.io/?EIO=4&transport=websocket&user={user}"

    async def greet(self, socket: ClientConnection) -> None:
        """Return once the server has confirmed the connection."""
        await socket.recv()
        await socket.send("40")
        await socket.recv()

    def published(self, text: str) -> str:
        """Return the frame that publishes a text."""
        return f"42{json.dumps(['publish', text])}"

    def received(self, frame: str) -> str | None:
        """Return the text that an event brings; None for a ping, which short runs need not answer."""
        return json.loads(frame[2:])[1] if frame.startswith("42") else None


class Fastapi(Broadcaster):
    """A stock FastAPI endpoint, which keeps nothing."""

    name = "stock FastAPI"

    def address(self, user: str) -> str:
        """Return the address of a user's socket."""
        return f"ws://127.0.0.1:{self._port}/{user}"


@contextmanager
def _nchan(folder: Path) -> Iterator[Broadcaster]:
    port, conf = free_port(), folder / "nginx.conf"
    conf.write_text(_NGINX.format(module=NCHAN, folder=folder, port=port))
    with program([nginx_program(), "-p", str(folder), "-c", str(conf)]) as server:
        server.wait_for("start worker process ")
        yield Nchan(server, port)


@contextmanager
def _socket_io(_folder: Path) -> Iterator[Broadcaster]:
    script = Path(__file__).with_name("socket_io.cjs")
    with program(["env", f"NODE_PATH={NODE_MODULES}", find_node().node, str(script)]) as server:
        yield SocketIo(server, int(server.wait_for("peer serves on").split()[-1]))


@contextmanager
def _fastapi(_folder: Path) -> Iterator[Broadcaster]:
    with peer_program("websocket") as (server, port):
        yield Fastapi(server, port)


_SERVERS: Sequence[tuple[str, Path | None, Callable[[Path], AbstractContextManager[Broadcaster]]]] = (
    ("apt-get install libnginx-mod-nchan", NCHAN, _nchan),
    ("npm install --prefix .venv/peers --no-save socket.io@4", NODE_MODULES / "socket.io", _socket_io),
    ("", None, _fastapi),
)


def broadcasters() -> list[Callable[[Path], AbstractContextManager[Broadcaster]]]:
    """Return how to start those that are installed, each in a folder of its own; name the others on standard error."""
    found = []
    for remedy, needed, start in _SERVERS:
        if needed is None or needed.exists():
            found.append(start)
        else:
            print(f"a peer is missing: {remedy}", file=sys.stderr)
    return found
