"""Peers: the minimum that the same libraries can do. `python -m tools.benchmarks.peers grpc|websocket` serves one.

They are an upper bound for our own processes: the difference is the price of everything that the peers do not do.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from grpc import aio
from grpc import unary_stream_rpc_method_handler as unary_stream
from starlette.websockets import WebSocketDisconnect

METHOD = "/peer.Peer/Stream"
EVENT_BYTES = 250
"""Approximate size of one of our events on the wire."""


def sqlite_rows_per_second(folder: Path, batch: int, seconds: float) -> float:
    """Insert rows into a bare table, this many per transaction, each transaction durable at its commit."""
    connection = sqlite3.connect(folder / f"peer-{batch}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
    rows, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO rows (body) VALUES (?)", [(bytes(EVENT_BYTES),)] * batch)
        connection.execute("COMMIT")
        rows += batch
    connection.close()
    return rows / took


async def _serve_grpc() -> None:
    async def stream(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for _ in range(int(request)):
            yield bytes(EVENT_BYTES)

    handler: Any = unary_stream(stream)

    class Handler(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            return handler if handler_call_details.method == METHOD else await continuation(handler_call_details)

    server = aio.server(interceptors=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"peer serves on {port}", flush=True)
    await server.wait_for_termination()


async def _serve_websocket() -> None:
    app, sockets = FastAPI(), defaultdict[str, set[WebSocket]](set)

    @app.websocket("/{user}")
    async def broadcast(websocket: WebSocket, user: str) -> None:
        await websocket.accept()
        sockets[user].add(websocket)
        try:
            while True:
                text = await websocket.receive_text()
                for each in sockets[user]:
                    await each.send_text(text)
        except WebSocketDisconnect:
            sockets[user].remove(websocket)

    config = uvicorn.Config(app, port=0, log_level="warning", loop="uvloop", ws="websockets-sansio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    print(f"peer serves on {server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await serving


if __name__ == "__main__":
    asyncio.run({"grpc": _serve_grpc, "websocket": _serve_websocket}[sys.argv[1]]())
