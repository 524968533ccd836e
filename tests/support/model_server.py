"""A real HTTP server of files with ranges, and with configurable faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class ModelServer:
    """The served files and the received requests."""

    files: dict[str, bytes] = field(default_factory=dict)
    """File contents by path."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Redirects: target by path."""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers, instead of files."""
    cut_after: list[int] = field(default_factory=list)
    """The next connections are closed after this many bytes of the body."""
    ranges: bool = True
    """Whether it supports ranges."""
    lengths: bool = True
    """Whether it sends Content-Length; otherwise it ends a file by closing the connection."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and range of each request."""
    url: str = ""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve on a free loopback port."""
    state = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if state.statuses:
                self._end(state.statuses.pop(0))
            elif self.path in state.redirects:
                self._end(302, Location=state.redirects[self.path])
            elif self.path not in state.files:
                self._end(404)
            else:
                self._send(state.files[self.path], wanted)

        def _send(self, body: bytes, wanted: str | None) -> None:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if start >= len(body) > 0:
                self._end(416, **{"Content-Range": f"bytes */{len(body)}"})
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if state.lengths:
                self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            rest = body[start:]
            self.wfile.write(rest[: state.cut_after.pop(0)] if state.cut_after else rest)

        def _end(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
