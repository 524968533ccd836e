"""A request body has a minimum rate, however steadily it arrives. In virtual time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.support.virtual_time import run_in_virtual_time
from ws_gateway.http.body_limit import MIN_BYTES_PER_SECOND, BodyLimit
from ws_gateway.http.problems import Problem

GRACE = 30.0
MINUTES = 60


async def upload(rate: int, seconds: int) -> float:
    """Receive a body of ``rate`` bytes each second for so many seconds; return how long it took.

    Raises:
        Problem: the body was rejected.

    """
    rest = seconds

    async def receive() -> Message:
        nonlocal rest
        await asyncio.sleep(1)
        rest -= 1
        return {"type": "http.request", "body": b"x" * rate, "more_body": rest > 0}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            continue

    async def send(message: Message) -> None:
        raise AssertionError(f"nothing is answered here: {message}")

    limit = BodyLimit(app, lambda _: 2**62, GRACE)
    await limit({"type": "http", "path": "/", "headers": []}, receive, send)
    return asyncio.get_running_loop().time()


async def rejected(rate: int) -> float:
    """Return when a long body of this rate was rejected as too slow."""
    with pytest.raises(Problem) as caught:
        await upload(rate, 60 * MINUTES)
    assert (caught.value.status_code, caught.value.body.error.code) == (HTTPStatus.REQUEST_TIMEOUT, "body_too_slow")
    return asyncio.get_running_loop().time()


def test_a_body_of_one_byte_a_second_is_rejected_after_the_grace() -> None:
    assert run_in_virtual_time(rejected(1)) == pytest.approx(GRACE, abs=1)


def test_a_body_of_half_the_minimum_rate_is_rejected_after_twice_the_grace() -> None:
    assert run_in_virtual_time(rejected(MIN_BYTES_PER_SECOND // 2)) == pytest.approx(2 * GRACE, abs=1)


def test_a_body_of_the_minimum_rate_may_take_long() -> None:
    assert run_in_virtual_time(upload(MIN_BYTES_PER_SECOND, 10 * MINUTES)) == 10 * MINUTES
