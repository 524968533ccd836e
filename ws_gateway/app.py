"""The ASGI application: routes, middleware and the life of the parts behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from ws_gateway.clock import Clock, SystemClock
from ws_gateway.components import run_gateway
from ws_gateway.http import (
    admin,
    archives,
    batches,
    config,
    docs,
    engines,
    health,
    images,
    overview,
    page,
    presets,
    problems,
    prometheus,
    sessions,
    sign_in,
    submissions,
    sync,
    tasks,
    tokens,
    usage,
)
from ws_gateway.http.body_limit import BodyLimit
from ws_gateway.http.compression import CompressJson
from ws_gateway.http.former_paths import SuccessorHeaders
from ws_gateway.http.head import HeadAsGet
from ws_gateway.http.notifications import SocketRoute
from ws_gateway.http.origin_guard import OriginGuard
from ws_gateway.settings import Settings
from ws_gateway.telemetry import tracing
from ws_gateway.telemetry.access_log import AccessLog
from ws_gateway.telemetry.metrics import Metrics
from ws_gateway.telemetry.metrics_server import MetricsPortInUse, serving_metrics

_MAX_BODY = 64 * 1024


def create_app(settings: Settings, clock: Clock | None = None, leaving: asyncio.Event | None = None) -> FastAPI:
    """Make the application; it connects to the service when it starts. Its parts are in ``app.state.gateway``.

    Once ``leaving`` is set, a start waits for the service no longer.
    """
    clock = clock or SystemClock()
    leaving = leaving or asyncio.Event()
    figures = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with (
                run_gateway(settings, clock, figures, leaving) as gateway,
                serving_metrics(settings.metrics_host, settings.metrics_port, figures) as port,
            ):
                app.state.gateway, app.state.metrics_port = gateway, port
                yield
        except MetricsPortInUse as error:
            app.state.unusable_address = str(error)  # uvicorn ends the start without its error.
            raise

    # FastAPI whose documentation page loads nothing from other origins: it works offline and leaks no visitors.
    app = FastAPIOffline(
        title="whitebg",
        description="Product photos on pure white. Messages come live over the WebSocket `/ws/notifications`.",
        version="2",
        redoc_url=None,
        lifespan=lifespan,
        telemetry=tracing.telemetry(tracing=settings.tracing),
        generate_unique_id_function=_operation_id,
    )
    problems.install(app)
    for module in (
        submissions,
        tasks,
        batches,
        archives,
        presets,
        engines,
        sync,
        tokens,
        config,
        images,
        health,
        prometheus,
        docs,
        sessions,
        usage,
        admin,
        overview,
        sign_in,
        page,
    ):
        app.include_router(module.router)
    app.add_middleware(CompressJson)
    app.add_middleware(SuccessorHeaders)
    app.add_middleware(BodyLimit, limit_of=partial(_body_limit, settings), grace=settings.body_grace.total_seconds())
    app.add_middleware(OriginGuard, allowed=settings.allowed_origins)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["DELETE", "GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Range", "X-Request-ID"],
        expose_headers=[
            "Content-Disposition",
            "Content-Range",
            "Date",
            "Deprecation",
            "ETag",
            "Idempotency-Replayed",
            "Link",
            "Location",
            "Result-Reused",
            "Retry-After",
            "X-Request-ID",
        ],
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(SocketRoute)
    app.add_middleware(AccessLog, clock=clock, metrics=figures)
    return app


def _body_limit(settings: Settings, path: str) -> int:
    return submissions.largest_form(path, settings.max_upload_bytes) or _MAX_BODY


def _operation_id(route: APIRoute) -> str:
    return route.name
