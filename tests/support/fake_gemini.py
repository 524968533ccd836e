"""A server on a real socket that implements Gemini's wire format and returns the answers queued by a test."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one request."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(body).encode(), status, {"content-type": "application/json"} | headers)


def html(status: int) -> Answer:
    return Answer(b"<html><body><h1>Bad Gateway</h1></body></html>", status, {"content-type": "text/html"})


def image_part(data: bytes, **more: object) -> dict[str, object]:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}, **more}


def candidate(*parts: object, finish: str = "STOP") -> dict[str, object]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0}]}


def picture(data: bytes) -> Answer:
    """A thought, an unfinished picture that is part of the thoughts, some text, and the picture."""
    return answer(
        candidate(
            {"text": "Let me see.", "thought": True},
            image_part(b"a draft", thought=True),
            {"text": "Here you are."},
            image_part(data),
        )
    )


def no_image(finish: str, *parts: object) -> Answer:
    return answer(candidate(*parts, finish=finish))


def error(code: int, status: str, message: str, *details: object, **headers: str) -> Answer:
    body = {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    return answer(body, code, **headers)


def retry_info(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.body["contents"][0]["parts"]
        return parts


class FakeGemini:
    """``async with FakeGemini() as server``: returns its queued answers in turn; without one it does not answer."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.answers: deque[Answer] = deque()
        self.always: Answer | None = None
        """The answer used when none is queued; None for no answer."""
        self.asked = asyncio.Semaphore(0)
        """Released once for each completely received request."""
        self.most_at_once = 0
        self._present = 0
        self._end_of_silence = asyncio.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/{path:path}", self._handle, methods=["GET", "POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    async def __aenter__(self) -> Self:
        # The socket already listens: clients that connect before the server runs wait a moment.
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.speak()
        self._server.should_exit = True
        await self._serving

    def speak(self) -> None:
        """Send an empty answer to every client that is still waiting."""
        self._end_of_silence.set()

    async def _handle(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append(
            Recorded(request.method, request.url.path, dict(request.headers), json.loads(body) if body else {})
        )
        self._present += 1
        self.most_at_once = max(self.most_at_once, self._present)
        self.asked.release()
        if not self.answers and self.always is None:
            await self._end_of_silence.wait()
        self._present -= 1
        said = self.answers.popleft() if self.answers else self.always or Answer()
        return Response(said.body, said.status, dict(said.headers))


@contextmanager
def gemini_in_a_thread(*answers: Answer) -> Iterator[FakeGemini]:
    """Run the server for a test that has no event loop of its own; its answers are queued first."""
    server, end = FakeGemini(), asyncio.Event()
    server.answers.extend(answers)
    loops: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()

    async def serve() -> None:
        async with server:
            loops.put(asyncio.get_running_loop())
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gemini")
    thread.start()
    loop = loops.get()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
