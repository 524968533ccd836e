"""A server that accepts connections and never answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MuteServer:
    """Its port, and an event that is set with the first connection."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.connected = threading.Event()
        self._listener = listener
        self._accepted: list[socket.socket] = []

    def accept_all(self) -> None:
        """Accept connections until the listener is shut down."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._accepted.append(connection)
            self.connected.set()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._accepted:
            connection.close()


@contextmanager
def mute_server() -> Iterator[MuteServer]:
    """Run a server while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MuteServer(listener)
        accepting = threading.Thread(target=server.accept_all, name="mute")
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            server.close()
