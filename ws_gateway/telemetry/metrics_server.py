"""``/metrics`` on a port of its own, which Prometheus reaches and no browser does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_LATEST, start_http_server

from ws_gateway.telemetry.metrics import Metrics

_COLLECT_S = 5.0
"""How long a scrape waits for the event loop."""


class MetricsPortInUse(Exception):
    """The address of the metrics can't be listened on."""


@asynccontextmanager
async def serving_metrics(host: str, port: int | None, metrics: Metrics) -> AsyncIterator[int | None]:
    """Serve the metrics within the block; yield the port, None for none.

    Raises:
        MetricsPortInUse: the address can't be listened on.

    """
    if port is None:
        yield None
        return
    loop = asyncio.get_running_loop()

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            status, kind, body = HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"only /metrics is here\n"
        else:
            # In the event loop, whose objects the figures are read from.
            body = asyncio.run_coroutine_threadsafe(_expose(metrics), loop).result(_COLLECT_S)
            status, kind = HTTPStatus.OK, CONTENT_TYPE_LATEST
        start_response(
            f"{status.value} {status.phrase}", [("Content-Type", kind), ("X-Content-Type-Options", "nosniff")]
        )
        return [body]

    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise MetricsPortInUse(
            f"can't serve metrics on {host}:{port}: {error.strerror}; "
            "set WHITEBG_METRICS_HOST to an address of this machine, and WHITEBG_METRICS_PORT to a free port"
        ) from error
    server.set_app(answer)
    try:
        yield server.server_port
    finally:
        # Both wait for a scrape under way, and that one waits for the event loop.
        await asyncio.to_thread(server.shutdown)
        await asyncio.to_thread(server.server_close)
        await asyncio.to_thread(thread.join)


async def _expose(metrics: Metrics) -> bytes:
    return metrics.expose()
