"""A gateway whose clock differs from the service's, and one whose clock is changed while it runs."""

from __future__ import annotations

import logging
from datetime import timedelta

import httpx
import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.clock import SkewedClock
from tests.support.driven_service import DrivenService
from tests.support.patience import eventually
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.auth.jwt import MintedToken
from ws_gateway.settings import Settings

HOUR = timedelta(hours=1)
TASKS = "/api/v2/tasks"


@pytest.mark.parametrize(
    "skew",
    [timedelta(seconds=0.9), CLOCK_SKEW - timedelta(seconds=5), HOUR, -CLOCK_SKEW, timedelta(minutes=-8)],
    ids=str,
)
async def test_calls_succeed_with_a_skewed_clock(service: DrivenService, settings: Settings, skew: timedelta) -> None:
    async with running(service, settings, SkewedClock(skew)) as world:
        await service.submit("ann")
        answer = await world.http.get(TASKS, headers=world.headers())
        assert (answer.status_code, answer.json().get("total")) == (200, 1), answer.text


async def test_calls_succeed_after_the_clock_was_set_back(service: DrivenService, settings: Settings) -> None:
    """The token in use was issued an hour in the future, and stays valid."""
    clock = SkewedClock(HOUR)
    async with running(service, settings, clock) as world:
        assert (await world.http.get(TASKS, headers=world.headers())).status_code == 200
        clock.skew = timedelta(0)
        assert (await world.http.get(TASKS, headers=world.headers())).status_code == 200


async def test_a_rejected_token_is_renewed_once(world: GatewayHarness) -> None:
    """As after a clock was set forward: the token in use was minted by the earlier clock and has expired."""
    gateway = world.server.gateway
    for request in (world.http.get(TASKS, headers=world.headers()), _history(world)):
        gateway.service._token = gateway.tokens.mint_service(timedelta(minutes=-20))
        answer = await request
        assert answer.status_code == 200, answer.text
        assert gateway.service._token.expires_at > gateway.clock.now()


async def _history(world: GatewayHarness) -> httpx.Response:
    return await world.http.post("/api/messages/sync", json={"since": ""}, headers=world.headers())


async def test_the_event_stream_outlives_its_token(
    service: DrivenService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(service, settings, SkewedClock()) as world, world.open() as client:
        gateway = world.server.gateway
        gateway.service._token = gateway.tokens.mint_service(timedelta(seconds=4) - CLOCK_SKEW)
        gateway.service._renew_at = gateway.clock.monotonic() + 3
        await service.stop()
        await service.start()
        caplog.clear()
        await world.hub_connected()
        await eventually(lambda: "the service ended the stream with its token" in caplog.text)
        await service.submit("ann")
        assert (await client.until(lambda message: message["type"] == "task_update"))[-1]["id"] == "e0:1"
        assert not gateway.hub.refusal
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_token_that_stays_rejected_is_reported(world: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = world.server.gateway
    expired = gateway.tokens.mint_service(timedelta(minutes=-20))
    minted: list[MintedToken] = []

    def mint(_: timedelta) -> MintedToken:
        minted.append(expired)
        return expired

    monkeypatch.setattr(gateway.tokens, "mint_service", mint)
    gateway.service._token = expired
    assert (await world.http.get(TASKS, headers=world.headers())).status_code == 502
    assert len(minted) == 1, "one retry, not a loop"
