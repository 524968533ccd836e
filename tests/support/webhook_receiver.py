"""A receiver of webhooks: a real HTTP server that verifies signatures and answers as configured."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.patience import PATIENCE


@dataclass(frozen=True)
class Delivery:
    """A request that arrived."""

    message_id: str
    timestamp: str
    signatures: list[str]
    body: bytes
    status: int
    """The answer to it."""

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def task_id(self) -> int:
        found: int = self.content["data"]["task_id"]
        return found

    def signed_with(self, secret: str) -> bool:
        """Verify the signature as the specification says, apart from the code that makes it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([self.message_id.encode(), self.timestamp.encode(), self.body])
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.signatures


class Receiver:
    """Records deliveries. ``status`` chooses the answer to each by its number, from 0."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.status: Callable[[int], int] = lambda _: 204
        self.answering = threading.Event()
        self.answering.set()
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):  # The sender died.
                    super().handle()

            def do_POST(self) -> None:
                announced = int(self.headers["content-length"])
                body = self.rfile.read(announced)
                if len(body) < announced:  # The sender died.
                    self.close_connection = True
                    return
                status = receiver.take(self.headers, body)
                assert receiver.answering.wait(PATIENCE)
                self.send_response(status)
                if status in {301, 302, 307}:
                    self.send_header("location", f"{receiver.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, headers: Any, body: bytes) -> int:
        with self._changed:
            status = self.status(len(self.deliveries))
            self.deliveries.append(
                Delivery(
                    headers["webhook-id"],
                    headers["webhook-timestamp"],
                    headers["webhook-signature"].split(),
                    body,
                    status,
                )
            )
            self._changed.notify_all()
        return status

    @property
    def accepted(self) -> list[Delivery]:
        with self._changed:
            return [each for each in self.deliveries if each.status < 300]

    def wait_for(self, enough: Callable[[list[Delivery]], bool]) -> list[Delivery]:
        """Return all deliveries once there are enough. Blocks."""
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self.deliveries), PATIENCE), self.deliveries
            return list(self.deliveries)

    def hold(self) -> int:
        """From now on, record messages and do not answer them before `answer`; return the number of the first one."""
        with self._changed:
            self.answering.clear()
            return len(self.deliveries)

    def answer(self) -> None:
        """Answer again, also the messages that wait for it."""
        self.answering.set()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Run a receiver while the block runs."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
