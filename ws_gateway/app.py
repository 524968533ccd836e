"""The ASGI application: routes, middleware and the life of the parts behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse

from ws_gateway import notifications, tracing
from ws_gateway.access_log import AccessLog
from ws_gateway.clock import Clock, SystemClock
from ws_gateway.gateway import run_gateway
from ws_gateway.http import config, docs, health, images, metrics, presets, problems, sessions, sync, tasks, tokens
from ws_gateway.http.body_limit import BodyLimit
from ws_gateway.http.uploads import FORM_OVERHEAD
from ws_gateway.metrics import Metrics
from ws_gateway.settings import Settings

_MAX_BODY = 64 * 1024


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """Make the application; it connects to the service when it starts. Its parts are in ``app.state.gateway``."""
    clock = clock or SystemClock()
    figures = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with run_gateway(settings, clock, figures) as gateway:
            app.state.gateway = gateway
            yield

    # FastAPI whose documentation page needs nothing from elsewhere: it works offline, and tells nobody who reads it.
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
    for module in (tasks, presets, sync, tokens, config, images, health, metrics, docs, sessions, notifications):
        app.include_router(module.router)
    app.add_api_route("/", _root, include_in_schema=False)
    app.add_middleware(BodyLimit, limit_of=partial(_body_limit, settings))
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Range", "X-Request-ID"],
        expose_headers=["Idempotency-Replayed", "Location", "Retry-After", "X-Request-ID"],
    )
    app.add_middleware(AccessLog, clock=clock, metrics=figures)
    return app


async def _root() -> RedirectResponse:
    return RedirectResponse("/docs")


def _body_limit(settings: Settings, path: str) -> int:
    return settings.max_upload_bytes + FORM_OVERHEAD if path in tasks.UPLOAD_PATHS else _MAX_BODY


def _operation_id(route: APIRoute) -> str:
    return route.name
