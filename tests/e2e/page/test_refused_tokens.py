"""After a rejected or expired token the page explains the problem, asks for another token and continues with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.test_signing_in import HEADING, door, revoke, sign_in
from tests.e2e.page.visitor import Visitor
from tests.support.api import token
from whitebg_process.token_lifetime import CLOCK_SKEW

__all__ = ["door"]

REFUSED = "The server does not take this token"


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param("no token at all", id="garbage"),
        pytest.param(token("ann", secret="x" * 64), id="another secret"),
        pytest.param(token("ann", exp=datetime(2026, 1, 1, tzinfo=UTC)), id="expired"),
        pytest.param(token("ann", scope="admin"), id="without the scope"),
    ],
)
def test_a_refused_token_is_said_to_be(door: Visitor, refused: str) -> None:
    sign_in(door, refused)

    expect(door.page.get_by_text(REFUSED)).to_be_visible()
    expect(door.page.get_by_role("heading", name=HEADING)).to_be_visible()
    assert door.barriers() == []
    sign_in(door, token("ann"))
    door.sees_connection("Live")


def test_who_is_asked_to_sign_in_is_waited_for_in_silence(stack: Stack, visit: Visit) -> None:
    stack.restart_gateway(guest_login="false")
    ann = visit()
    ann.page.clock.install()
    ann.page.goto(stack.url)
    expect(ann.page.get_by_role("heading", name=HEADING)).to_be_visible()
    asked = len(ann.requests)

    for _ in range(10):
        ann.page.clock.run_for(60_000)
        ann.page.wait_for_load_state("networkidle")

    assert ann.requests[asked:] == [], "only a person can change that there is no token"


def test_who_was_revoked_is_asked_to_sign_in_and_finds_everything_there(stack: Stack, door: Visitor) -> None:
    sign_in(door, token("ann", iat=datetime.now(UTC)))
    door.sees_connection("Live")
    door.drop([PHOTOS / "pink-cap.jpg"])
    door.sees(1, "done")

    assert revoke(stack, "ann") == 1

    door.wire.closes(4001)
    expect(door.page.get_by_role("heading", name=HEADING)).to_be_visible()
    door.picture("15-revoked")
    # Tokens issued up to a minute ahead count as revoked too; this one is issued after that.
    sign_in(door, token("ann", iat=datetime.now(UTC) + CLOCK_SKEW + timedelta(seconds=5)))
    door.sees_connection("Live")
    door.sees(1, "done")


def test_a_guest_who_was_revoked_goes_on_as_another(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    claims = jwt.decode(
        ann.page.evaluate("JSON.parse(localStorage['whitebg.session']).token"), options={"verify_signature": False}
    )

    assert revoke(stack, claims["sub"]) == 1

    ann.wire.closes(4001)
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    ann.sees_connection("Live")
