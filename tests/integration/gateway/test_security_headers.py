"""Security headers on all of the gateway's responses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.world import GatewayHarness


def protected(headers: Any) -> bool:
    policy = headers["Content-Security-Policy"]
    return (
        headers["X-Content-Type-Options"] == "nosniff"
        and headers["X-Frame-Options"] == "DENY"
        and headers["Referrer-Policy"] == "no-referrer"
        and "default-src 'none'" in policy
        and ("frame-ancestors 'none'" in policy or "sandbox" in policy)
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/asyncapi.yaml", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 401),
        ("GET", "/api/v2/tasks", 401),
        ("GET", "/no/such/path", 404),
        ("DELETE", "/healthz", 405),
        ("POST", "/api/messages/sync", 401),
        ("GET", "/images/1/result?sig=x", 403),
        ("GET", "/ws/notifications", 404),
    ],
)
async def test_every_response_has_them(world: GatewayHarness, method: str, path: str, status: int) -> None:
    answer = await world.http.request(method, path)
    assert (answer.status_code, protected(answer.headers)) == (status, True), dict(answer.headers)


async def test_an_image_has_them(world: GatewayHarness) -> None:
    task = await world.service.submit("ann")
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id)
    answer = await world.http.get("/images/1/result", headers=world.headers())
    assert (answer.status_code, protected(answer.headers)) == (200, True)


async def test_a_fault_has_them(world: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """These errors are handled outside of the application's middleware."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(world.server.gateway.service, "list_presets", fail)
    answer = await world.http.get("/api/v2/presets", headers=world.headers())
    assert (answer.status_code, protected(answer.headers)) == (500, True)


async def test_a_rejected_handshake_has_them(world: GatewayHarness) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with world.open(origin="https://evil.example"):
            pass
    response = refused.value.response
    assert (response.status_code, protected(httpx.Headers([*response.headers.raw_items()]))) == (403, True)


async def test_swagger_runs_under_its_policy(world: GatewayHarness) -> None:
    """All resources of the page come from this origin."""
    page = await world.http.get("/docs")
    assert "http://" not in page.text.replace(world.base, "")
    assert "https://" not in page.text
