"""Sign-in at a real OpenID Connect issuer, and attacks on it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from pydantic import SecretStr

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import SECRET, Client, GatewayHarness
from tests.support.clock import SkewedClock
from tests.support.driven_service import DrivenService
from tests.support.oidc import Browser, Issuer, running_issuer
from tests.support.processes import free_port
from ws_gateway.auth.oidc.identity import user_id_of
from ws_gateway.settings import Settings

ANN = "ann@example.com"


@pytest.fixture(scope="module")
def page_url() -> str:
    return f"http://127.0.0.1:{free_port()}/"


@pytest.fixture(scope="module")
def shared_issuer(page_url: str) -> Iterator[Issuer]:
    with running_issuer(page_url) as issuer:
        yield issuer


@pytest.fixture
def issuer(shared_issuer: Issuer) -> Issuer:
    return shared_issuer


@pytest.fixture
def options() -> dict[str, Any]:
    """Further settings; tests override them by parameters."""
    return {}


@pytest.fixture
def settings(usual_settings: Settings, service: DrivenService, issuer: Issuer, options: dict[str, Any]) -> Settings:
    oidc = {
        "oidc_issuer": issuer.url,
        "oidc_client_id": "whitebg",
        "oidc_client_secret": SecretStr(issuer.client_secret),
        "oidc_redirect_uri": f"{issuer.page_url}auth/callback",
        "guest_login": False,
    }
    port = httpx.URL(issuer.page_url).port
    update = {"grpc_target": service.target, "http_port": port} | oidc | options
    return usual_settings.model_copy(update=update)


@pytest.fixture
async def browser(issuer: Issuer) -> AsyncIterator[Browser]:
    browser = Browser(issuer)
    yield browser
    await browser.close()


@pytest.fixture
async def stranger(issuer: Issuer) -> AsyncIterator[Browser]:
    """Another person's browser."""
    browser = Browser(issuer)
    yield browser
    await browser.close()


def login_url(world: GatewayHarness, return_to: str = "/") -> str:
    return f"http://{world.base}/auth/login?{httpx.QueryParams({'return_to': return_to})}"


async def answer_for(browser: Browser, world: GatewayHarness, account: str = ANN, return_to: str = "/") -> httpx.URL:
    """Return the issuer's answer, not opened yet."""
    return await browser.sign_in(await browser.begin(login_url(world, return_to)), account)


def fragment(url: httpx.URL) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(url.fragment).items()}


def claims(page: httpx.URL) -> dict[str, Any]:
    """Return the claims of the session that the page was opened with."""
    found: dict[str, Any] = jwt.decode(fragment(page)["token"], SECRET, algorithms=["HS256"], audience="whitebg")
    return found


def problem(page: httpx.URL) -> str:
    """Return why the page was opened without a session."""
    found = fragment(page)
    assert list(found) == ["sign-in-problem"], found
    return found["sign-in-problem"]


async def test_sign_in_opens_the_page_with_a_session_of_the_account(
    world: GatewayHarness, browser: Browser, issuer: Issuer
) -> None:
    offered = (await world.http.get("/api/v2/sign-in")).json()["issuer"]
    assert offered == {"name": f"127.0.0.1:{issuer.port}", "login_url": f"{issuer.page_url}auth/login"}

    page = await browser.come_back(await answer_for(browser, world, return_to="/?photo=3"))

    assert (page.host, page.port, page.raw_path) == ("127.0.0.1", httpx.URL(issuer.page_url).port, b"/?photo=3")
    session = claims(page)
    assert session["sub"] == user_id_of(issuer.url, ANN)
    assert (session["scope"], session["name"]) == ("tasks", "Person ann")
    assert session["exp"] - session["iat"] == timedelta(days=30).total_seconds()
    headers = {"Authorization": f"Bearer {fragment(page)['token']}"}
    assert (await world.http.get("/api/v2/tasks", headers=headers)).status_code == 200
    assert (await world.http.get("/admin/flags", headers=headers)).status_code == 403


async def test_an_account_is_the_same_user_each_time_and_each_sign_in_a_session_of_its_own(
    world: GatewayHarness, browser: Browser, stranger: Browser
) -> None:
    first = claims(await browser.come_back(await answer_for(browser, world)))
    second = claims(await stranger.come_back(await answer_for(stranger, world)))
    assert first["sub"] == second["sub"]
    assert first["sid"] != second["sid"]


async def test_two_tabs_can_sign_in_at_the_same_time(world: GatewayHarness, browser: Browser) -> None:
    one, two = await browser.begin(login_url(world)), await browser.begin(login_url(world))
    answers = [await browser.sign_in(one, ANN), await browser.sign_in(two, ANN)]
    for answer in answers:
        assert claims(await browser.come_back(answer))["name"] == "Person ann"


async def test_sign_out_ends_the_session_everywhere_and_leads_to_the_issuer(
    world: GatewayHarness, browser: Browser, issuer: Issuer
) -> None:
    token = fragment(await browser.come_back(await answer_for(browser, world)))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    socket_token = (await world.http.post("/api/v2/ws-token", headers=headers)).json()["token"]

    async with world.open_raw(f"?token={socket_token}") as socket:
        client = Client(socket)
        await client.settled()
        answer = await world.http.post("/auth/logout", headers=headers)
        assert answer.status_code == 200
        assert await client.close_code() == 4001

    assert (await world.http.get("/api/v2/tasks", headers=headers)).status_code == 401
    logout = httpx.URL(answer.json()["issuer_logout_url"])
    assert (logout.host, logout.port) == ("127.0.0.1", issuer.port)
    assert dict(logout.params) == {"client_id": "whitebg", "post_logout_redirect_uri": issuer.page_url}
    assert (await browser.http.get(logout)).status_code == 200, "the issuer does not accept the request"


async def test_sign_out_of_a_link_or_guest_leads_nowhere_and_an_api_key_cannot_be_signed_out(
    world: GatewayHarness,
) -> None:
    for sid in ({"sid": "s1"}, {}):
        answer = await world.http.post("/auth/logout", headers=world.headers("ann", **sid))
        assert (answer.status_code, answer.json()) == (200, {"issuer_logout_url": None})
    assert (await world.http.get("/api/v2/tasks", headers=world.headers("ann", sid="s1"))).status_code == 401
    assert (await world.http.get("/api/v2/tasks", headers=world.headers("ann"))).status_code == 200
    key = await world.http.post("/auth/logout", headers={"Authorization": "Bearer wbk_any"})
    assert key.status_code == 401


async def test_no_secret_of_the_issuer_reaches_log_address_or_cookie(
    world: GatewayHarness, browser: Browser, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await answer_for(browser, world)
    page = await browser.come_back(answer)
    code = answer.params["code"]
    ours = [record for record in caplog.records if record.name.startswith(("ws_gateway", "httpx2", "authlib"))]
    written = " ".join(str(vars(record)) for record in ours)
    assert "signed in" in written
    for secret in (code, answer.params["state"], issuer.client_secret, fragment(page)["token"]):
        assert secret not in written
    assert set(claims(page)) == {"sub", "aud", "iat", "exp", "scope", "sid", "name"}
    assert not [each.name for each in browser.http.cookies.jar if each.name.startswith("whitebg")]


async def test_the_cookie_of_a_sign_in_is_out_of_reach_of_scripts_and_other_sites(world: GatewayHarness) -> None:
    answer = await world.http.get("/auth/login")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Secure" not in cookie.split("; "), "the page of this test is served by http"
    sent = httpx.URL(answer.headers["location"]).params
    assert (sent["code_challenge_method"], sent["response_type"]) == ("S256", "code")
    assert len({sent["state"], sent["nonce"], sent["code_challenge"]}) == 3
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("options", [{"oidc_redirect_uri": "https://whitebg.example.com/auth/callback"}])
async def test_the_cookie_is_bound_to_this_host_where_the_page_has_tls(world: GatewayHarness) -> None:
    (cookie,) = (await world.http.get("/auth/login")).headers.get_list("set-cookie")
    assert cookie.startswith("__Host-whitebg-sign-in-")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(cookie.split("; "))


async def test_login_csrf_an_answer_for_another_browser_signs_nobody_in(
    world: GatewayHarness, browser: Browser, stranger: Browser
) -> None:
    of_stranger = await answer_for(stranger, world, "mallory@example.com")
    assert problem(await browser.come_back(of_stranger)) == "interrupted"
    # Also with a sign-in of one's own in progress.
    own = await browser.begin(login_url(world))
    assert problem(await browser.come_back(of_stranger)) == "interrupted"
    assert claims(await browser.come_back(await browser.sign_in(own, ANN)))["name"] == "Person ann"


async def test_replay_an_answer_is_good_once(world: GatewayHarness, browser: Browser) -> None:
    answer = await answer_for(browser, world)
    cookies = httpx.Cookies(browser.http.cookies)
    await browser.come_back(answer)
    assert problem(await browser.come_back(answer)) == "interrupted"
    # A thief of the cookie too gets nothing: the issuer takes each code once.
    browser.http.cookies = cookies
    assert problem(await browser.come_back(answer)) == "issuer_error"


async def test_code_injection_a_code_of_another_sign_in_is_not_accepted(
    world: GatewayHarness, browser: Browser, stranger: Browser
) -> None:
    stolen = (await answer_for(browser, world)).params["code"]
    own = await answer_for(stranger, world, "mallory@example.com")
    assert problem(await stranger.come_back(own.copy_set_param("code", stolen))) == "issuer_error"


@pytest.mark.parametrize("iss", ["https://another.example.com", ""])
async def test_mix_up_an_answer_of_another_issuer_is_not_accepted(
    world: GatewayHarness, browser: Browser, iss: str
) -> None:
    answer = await answer_for(browser, world)
    assert answer.params["iss"] == str(world.server.gateway.settings.oidc_issuer)
    assert problem(await browser.come_back(answer.copy_set_param("iss", iss))) == "issuer_error"


async def test_mix_up_an_issuer_that_names_itself_must_do_so_always(world: GatewayHarness, browser: Browser) -> None:
    answer = await answer_for(browser, world)
    assert problem(await browser.come_back(answer.copy_remove_param("iss"))) == "issuer_error"


@pytest.mark.parametrize("elsewhere", ["https://evil.example.com/", "//evil.example.com", "/\\evil.example.com"])
async def test_open_redirect_the_way_back_is_on_the_page(
    world: GatewayHarness, browser: Browser, issuer: Issuer, elsewhere: str
) -> None:
    page = await browser.come_back(await answer_for(browser, world, return_to=elsewhere))
    assert str(page.copy_with(fragment=None)) == issuer.page_url


async def test_a_forged_cookie_or_one_that_is_too_old_is_not_accepted(
    world: GatewayHarness, browser: Browser, clock: SkewedClock
) -> None:
    answer = await answer_for(browser, world)
    clock.advance(timedelta(minutes=12))
    assert problem(await browser.come_back(answer)) == "interrupted"

    answer = await answer_for(browser, world)
    (cookie,) = [each for each in browser.http.cookies.jar if each.name.startswith("whitebg")]
    assert cookie.value is not None
    forged = jwt.encode(
        jwt.decode(cookie.value, options={"verify_signature": False}), SECRET, algorithm="HS256"
    )  # with the secret of sessions, not the key of these cookies
    browser.http.cookies.set(cookie.name, forged, domain=cookie.domain, path="/")
    assert problem(await browser.come_back(answer)) == "interrupted"


async def test_consent_that_is_refused_leads_back_to_the_page(world: GatewayHarness, browser: Browser) -> None:
    back = await browser.refuse(await browser.begin(login_url(world)))
    assert problem(await browser.come_back(back)) == "consent_refused"


async def test_a_clock_that_is_off_is_named(world: GatewayHarness, browser: Browser, clock: SkewedClock) -> None:
    clock.skew = timedelta(hours=-3)
    assert problem(await browser.come_back(await answer_for(browser, world))) == "clock"
    clock.skew = timedelta(seconds=-30)
    assert claims(await browser.come_back(await answer_for(browser, world)))["name"] == "Person ann"


@pytest.mark.parametrize("options", [{"oidc_client_secret": SecretStr("not the one")}])
async def test_a_wrong_client_secret_is_for_the_administrator(
    world: GatewayHarness, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    assert problem(await browser.come_back(await answer_for(browser, world))) == "misconfigured"
    assert "invalid_client" in caplog.text


@pytest.mark.parametrize("options", [{"oidc_redirect_uri": "http://127.0.0.1:1/auth/callback"}])
async def test_a_redirect_uri_that_is_not_registered_is_shown_by_the_issuer(
    world: GatewayHarness, browser: Browser
) -> None:
    page = await browser.begin(login_url(world))
    assert page.status_code == 400
    assert "redirect_uri" in page.text


@pytest.mark.parametrize("options", [{"oidc_email_domains": ("example.com",)}])
async def test_only_verified_addresses_of_the_domains_may_sign_in(
    world: GatewayHarness, browser: Browser, issuer: Issuer
) -> None:
    assert claims(await browser.come_back(await answer_for(browser, world)))["sub"] == user_id_of(issuer.url, ANN)
    for account in ("ann@evil.example.com", "ann@example.com.evil.test", "unverified@example.com"):
        another = Browser(issuer)
        assert problem(await another.come_back(await answer_for(another, world, account))) == "not_allowed"
        await another.close()


async def test_another_account_can_be_chosen_in_spite_of_the_issuers_session(
    world: GatewayHarness, browser: Browser
) -> None:
    await browser.come_back(await answer_for(browser, world))
    assert (await browser.begin(login_url(world))).is_redirect, "the issuer knows the browser"
    page = await browser.begin(f"http://{world.base}/auth/login?again=true")
    ben = await browser.come_back(await browser.sign_in(page, "ben@example.com"))
    assert claims(ben)["name"] == "Person ben"


@pytest.mark.parametrize(
    "options",
    [{"oidc_admin_claim": "groups=whitebg-admins", "oidc_scopes": ("openid", "profile", "email", "groups")}],
)
async def test_the_claim_makes_an_administrator(world: GatewayHarness, browser: Browser, stranger: Browser) -> None:
    root = await browser.come_back(await answer_for(browser, world, "root@example.com"))
    assert claims(root)["scope"] == "tasks admin"
    assert claims(await stranger.come_back(await answer_for(stranger, world)))["scope"] == "tasks"


async def test_an_issuer_that_is_unreachable_is_named_and_found_again(
    usual_settings: Settings, service: DrivenService, clock: SkewedClock, page_url: str
) -> None:
    port = free_port()
    issuer = Issuer(port, page_url)
    settings = usual_settings.model_copy(
        update={
            "grpc_target": service.target,
            "oidc_issuer": issuer.url,
            "oidc_client_id": "whitebg",
            "oidc_redirect_uri": f"{page_url}auth/callback",
        }
    )
    async with running(service, settings, clock) as world:
        answer = await world.http.get("/auth/login")
        assert problem(httpx.URL(answer.headers["location"])) == "issuer_unreachable"
        assert "set-cookie" not in answer.headers
        try:
            issuer.start()
            clock.advance(timedelta(seconds=5))
            answer = await world.http.get("/auth/login")
            assert httpx.URL(answer.headers["location"]).port == port
        finally:
            issuer.stop()
        clock.advance(timedelta(hours=2))
        answer = await world.http.get("/auth/login")
        assert httpx.URL(answer.headers["location"]).port == port, "known metadata outlast an outage"


async def test_without_an_issuer_there_is_no_sign_in(usual_settings: Settings, service: DrivenService) -> None:
    settings = usual_settings.model_copy(update={"grpc_target": service.target})
    async with running(service, settings) as world:
        assert (await world.http.get("/api/v2/sign-in")).json() == {"issuer": None}
        for path in ("/auth/login", "/auth/callback"):
            assert (await world.http.get(path)).status_code == 404


async def test_an_account_without_user_info_signs_in_without_a_name(
    world: GatewayHarness, browser: Browser, issuer: Issuer
) -> None:
    found = claims(await browser.come_back(await answer_for(browser, world, "mute@example.com")))
    assert found["sub"] == user_id_of(issuer.url, "mute@example.com")
    assert not found.get("name")


@pytest.mark.parametrize("options", [{"oidc_admin_claim": "groups=whitebg-admins"}])
async def test_an_account_whose_rules_need_user_info_does_not_sign_in_without(
    world: GatewayHarness, browser: Browser
) -> None:
    page = await browser.come_back(await answer_for(browser, world, "mute@example.com"))
    assert problem(page) == "issuer_error"


@pytest.mark.parametrize("options", [{"sign_ins_per_minute": 5, "trusted_proxies": (ip_network("127.0.0.0/8"),)}])
async def test_a_flood_of_sign_ins_from_one_address_is_held_back(world: GatewayHarness) -> None:
    def attempts() -> list[Awaitable[httpx.Response]]:
        return [
            world.http.get("/auth/login"),
            world.http.get("/auth/callback?state=made-up&code=made-up"),
            world.http.post("/auth/logout", headers={"Authorization": "Bearer made-up"}),
        ]

    answers = [await attempt for attempt in [*attempts(), *attempts(), *attempts()]]
    assert [each.status_code for each in answers] == [303, 303, 401, 303, 303, 429, 429, 429, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    for path in ("/auth/login", "/auth/callback?state=made-up&code=made-up"):
        page = await world.http.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert f"Reload this page in {page.headers['retry-after']} seconds." in page.text
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    elsewhere = await world.http.get("/auth/login", headers={"X-Forwarded-For": "203.0.113.9"})
    assert elsewhere.status_code == 303, "others are not held back"
