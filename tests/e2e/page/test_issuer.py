"""Sign-in at a real OpenID Connect issuer in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import Visitor
from tests.support.oidc import Issuer, running_issuer

ANN = "ann@example.com"


@pytest.fixture
def issuer(stack: Stack) -> Iterator[Issuer]:
    """An issuer, which a gateway without guests uses."""
    with running_issuer(f"{stack.url}/") as issuer:
        stack.restart_gateway(**issuer.settings(oidc_name="Example ID", guest_login="false"))
        yield issuer


def sign_in(visitor: Visitor, account: str) -> None:
    page = visitor.page
    page.get_by_role("link", name="Sign in with Example ID").click()
    page.get_by_placeholder("Enter any login").fill(account)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def test_a_colleague_signs_in_sends_a_photo_and_signs_out_everywhere(
    stack: Stack, issuer: Issuer, visit: Visit
) -> None:
    ann = visit()
    ann.page.goto(stack.url)
    expect(ann.page.get_by_role("link", name="Sign in with Example ID")).to_be_visible()
    assert ann.barriers() == []
    sign_in(ann, ANN)
    ann.sees_connection("Live")
    expect(ann.page.get_by_text("Person ann")).to_be_visible()
    assert ann.page.url == f"{stack.url}/", "the token stays in the address"
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    other_tab = ann.another_tab()
    other_tab.page.goto(stack.url)
    other_tab.sees(1, "done")

    ann.page.get_by_role("button", name="Sign out").click()

    # The gateway closes its socket, unless the tab has noticed the end of the session in the browser before.
    expect(other_tab.page.get_by_role("link", name="Sign in with Example ID")).to_be_visible()
    ann.page.wait_for_url(re.compile(rf"^{issuer.url}/"))
    ann.page.get_by_role("button", name="Yes, sign me out").click()
    expect(ann.page.get_by_role("link", name="Sign in with Example ID")).to_be_visible()
    sign_in(ann, ANN)
    ann.sees(1, "done")
    assert stack.gateway is not None
    for secret in ("code=", "state=", "token=", issuer.client_secret):
        assert secret not in stack.gateway.output


def test_a_sign_in_that_is_refused_is_explained_in_both_languages_with_a_way_back(
    stack: Stack, issuer: Issuer, visit: Visit
) -> None:
    ann = visit()
    ann.page.goto(stack.url)
    ann.page.get_by_role("link", name="Sign in with Example ID").click()
    ann.page.get_by_role("link", name="Cancel").click()

    expect(ann.page.get_by_role("alert")).to_contain_text("Access was refused at the sign-in service")
    assert ann.barriers() == []
    ann.page.get_by_role("button", name="中文").click()
    expect(ann.page.get_by_role("alert")).to_contain_text("登录服务拒绝了访问")
    expect(ann.page.get_by_role("link", name="使用 Example ID 登录")).to_be_visible()
    ann.page.get_by_role("button", name="English").click()
    sign_in(ann, ANN)
    ann.sees_connection("Live")


def test_a_guest_can_sign_in_and_is_the_same_guest_after_an_issuer_that_is_unreachable(
    stack: Stack, issuer: Issuer, visit: Visit
) -> None:
    issuer.stop()
    stack.restart_gateway(guest_login="true")
    guest = visit().arrive()
    guest.drop([PHOTOS / "pink-cap.jpg"])
    guest.sees(1, "done")

    guest.page.get_by_role("link", name="Sign in").click()

    expect(guest.page.get_by_role("alert")).to_contain_text("The sign-in service could not be reached")
    guest.page.get_by_role("button", name="Continue without signing in").click()
    guest.sees(1, "done")
