"""Signing in with a token, and the end of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import Visitor
from tests.support.api import token
from tests.support.patience import PATIENCE
from whitebg_process.token_lifetime import CLOCK_SKEW

HEADING = "Sign in"


@pytest.fixture
def door(stack: Stack, visit: Visit) -> Visitor:
    """A visitor of the page on a server without guest access."""
    ann = visit()
    ann.page.goto(stack.url)
    expect(ann.page.get_by_role("heading", name=HEADING)).to_be_visible()
    return ann


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param("no token at all", id="garbage"),
        pytest.param(token("ann", secret="x" * 64), id="another secret"),
        pytest.param(token("ann", exp=datetime(2026, 1, 1, tzinfo=UTC)), id="expired"),
    ],
)
def test_a_token_that_is_refused_opens_nothing_and_a_good_one_does(door: Visitor, refused: str) -> None:
    sign_in(door, refused)
    expect(door.page.get_by_role("heading", name=HEADING)).to_be_visible()
    sign_in(door, token("ann"))
    door.sees_connection("Live")
    door.drop([PHOTOS / "pink-cap.jpg"])
    door.sees(1, "done")
    assert sum("hello" in each["heard"] for each in door.wire.sockets) == 1


def test_a_pasted_token_that_runs_out_is_asked_for_again_and_nothing_is_lost(door: Visitor) -> None:
    sign_in(door, token("ann", exp=datetime.now(UTC) + timedelta(seconds=20)))
    door.sees_connection("Live")
    door.drop([PHOTOS / "pink-cap.jpg"])
    door.sees(1)

    # The page has no other token to send, and is not asked for one.
    door.wire.closes(4010, within=PATIENCE + CLOCK_SKEW.total_seconds())
    assert door.wire.sockets[-1]["sent"].count("auth") <= 2
    expect(door.page.get_by_role("heading", name=HEADING)).to_be_visible()
    sign_in(door, token("ann"))
    door.sees_connection("Live")
    door.sees(1, "done")


def test_a_revoked_session_ends_at_once_and_the_page_does_not_insist(stack: Stack, door: Visitor) -> None:
    door.page.clock.install()
    door.page.reload()
    sign_in(door, token("ann", iat=datetime.now(UTC)))
    door.sees_connection("Live")

    assert revoke(stack, "ann") == 1

    door.wire.closes(4001)
    expect(door.page.get_by_role("heading", name=HEADING)).to_be_visible()
    door.page.wait_for_load_state("networkidle")
    asked = len(door.requests)
    for _ in range(10):
        door.page.clock.run_for(60_000)
        door.page.wait_for_load_state("networkidle")
    assert len(door.wire.sockets) == 1, "it reconnected although it was closed for good"
    assert door.requests[asked:] == []


def sign_in(visitor: Visitor, secret: str) -> None:
    visitor.page.get_by_label("Token", exact=True).fill(secret)
    visitor.page.get_by_role("button", name="Sign in").click()


def revoke(stack: Stack, user: str) -> int:
    """Revoke all sessions of a user as an admin; return the number of sockets that this closed."""
    answer = httpx.post(
        f"{stack.url}/admin/sessions/revoke",
        json={"user_id": user},
        headers={"Authorization": f"Bearer {token('root', scope='admin')}"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 200, answer.text
    closed: int = answer.json()["closed"]
    return closed
