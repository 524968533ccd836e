"""Sign-in at the OpenID Connect issuer: to the issuer, back from it with a session of our own, and sign-out."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from whitebg_process.user_ids import SIGNED_IN_PREFIX
from ws_gateway.auth.jwt import TokenRejected
from ws_gateway.auth.oidc.flow import LIFETIME, Answer, begin, cookie_name
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem
from ws_gateway.components import Gateway
from ws_gateway.http.dependencies import Bearer, InGateway, address_of, within
from ws_gateway.http.problems import Problem, documented
from ws_gateway.http.sessions import end_sessions

if TYPE_CHECKING:
    from ws_gateway.auth.oidc.client import OidcClient

log = logging.getLogger(__name__)

router = APIRouter()


async def _within_rate(request: Request, gateway: InGateway) -> None:
    await within(
        gateway.limits.sign_ins, "too many sign-ins from this address in a minute", address_of(request, gateway)
    )


_LIMITED = [Depends(_within_rate)]

_TOO_MANY_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>whitebg</title>
<h1>Too many sign-ins</h1>
<p>Many sign-ins came from this network within a minute. Reload this page in {seconds} seconds.</p>
<h2 lang="zh">登录次数过多</h2>
<p lang="zh">一分钟内来自该网络的登录次数过多。请在 {seconds} 秒后刷新此页面。</p>
</html>
"""


async def _too_many(request: Request, gateway: Gateway) -> Response | None:
    """Count one sign-in; return the answer to one too many: a page for a browser.

    Raises:
        Problem: 429, for any other client.

    """
    try:
        await _within_rate(request, gateway)
    except Problem as problem:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        seconds = (problem.headers or {}).get("Retry-After", "60")
        page = _TOO_MANY_PAGE.format(seconds=seconds)
        return HTMLResponse(page, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": seconds, "Cache-Control": "no-store"})
    return None


_MAX_PARAMETER = 4096
Parameter = Annotated[str, Query(max_length=_MAX_PARAMETER)]


class IssuerOut(BaseModel):
    """An OpenID Connect issuer at which people sign in."""

    name: str
    login_url: str = Field(
        description="Open this page to sign in; `return_to`: path to come back to; `again=true`: with credentials"
    )


class SignInOut(BaseModel):
    """How people sign in on the page."""

    issuer: IssuerOut | None = Field(description="Null where there is none")


class SignedOut(BaseModel):
    """The session has ended."""

    issuer_logout_url: str | None = Field(description="Open this page to end the issuer's session too; null for none")


@router.get("/api/v2/sign-in", tags=["tokens"])
async def sign_in_options(response: Response, gateway: InGateway) -> SignInOut:
    """Return how people sign in on the page. No token is needed."""
    response.headers["Cache-Control"] = "no-store"
    if gateway.oidc is None:
        return SignInOut(issuer=None)
    config = gateway.oidc.config
    return SignInOut(issuer=IssuerOut(name=config.issuer_name, login_url=f"{config.page_url}auth/login"))


@router.get("/auth/login", include_in_schema=False)
async def login(request: Request, gateway: InGateway, return_to: Parameter = "/", *, again: bool = False) -> Response:
    """Send the browser to the issuer, with a cookie that only this sign-in's answer fits.

    ``again``: let the person choose another account.
    """
    if (refusal := await _too_many(request, gateway)) is not None:
        return refusal
    oidc = _issuer(gateway)
    pending = begin(return_to)
    try:
        url = await oidc.authorization_url(pending, again=again)
    except SignInFailed as error:
        return _failed(oidc, error)
    response = _redirect(url)
    secure = oidc.config.secure
    response.set_cookie(
        cookie_name(pending.state, secure=secure),
        gateway.flow_cookies.seal(pending, gateway.clock.now()),
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",  # The issuer's redirect comes from another site.
    )
    return response


@router.get("/auth/callback", include_in_schema=False)
async def callback(
    request: Request,
    gateway: InGateway,
    state: Parameter = "",
    code: Parameter = "",
    error: Parameter = "",
    iss: Annotated[str | None, Query(max_length=_MAX_PARAMETER)] = None,
) -> Response:
    """Take the issuer's answer; open the page with a session, or with the reason for which there is none.

    The token is in the fragment of the address, as in a sign-in link: browsers send it to no server.
    """
    if (refusal := await _too_many(request, gateway)) is not None:
        return refusal
    oidc = _issuer(gateway)
    name = cookie_name(state, secure=oidc.config.secure)
    try:
        pending = gateway.flow_cookies.open(request.cookies.get(name), state, gateway.clock.now())
        identity = await oidc.finish(pending, Answer(code=code, error=error, issuer=iss))
    except SignInFailed as failure:
        response = _failed(oidc, failure)
    else:
        minted = gateway.tokens.mint_session(
            identity.user_id, oidc.config.session_ttl, name=identity.name, is_admin=identity.is_admin
        )
        log.info("signed in", extra={"user_id": identity.user_id, "is_admin": identity.is_admin})
        page = oidc.config.page_url.rstrip("/") + pending.return_to
        response = _redirect(f"{page}#{urlencode({'token': minted.token})}")
    response.delete_cookie(name, path="/", secure=oidc.config.secure, httponly=True, samesite="lax")
    return response


@router.post(
    "/auth/logout",
    tags=["tokens"],
    dependencies=_LIMITED,
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
async def logout(gateway: InGateway, credentials: Bearer) -> SignedOut:
    """End the token's session everywhere: its sockets close, its tokens and image links are rejected from now on.

    A token without a session id, such as that of `whitebg user add`, stays valid. API keys are no sessions: 401.
    """
    try:
        claims = await gateway.authority.session("" if credentials is None else credentials.credentials)
    except TokenRejected as error:
        raise Problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(error)) from None
    if claims.session_id:
        await end_sessions(gateway, session_id=claims.session_id)
    if gateway.oidc is None or not claims.subject.startswith(SIGNED_IN_PREFIX):
        return SignedOut(issuer_logout_url=None)
    return SignedOut(issuer_logout_url=await gateway.oidc.logout_url())


def _issuer(gateway: Gateway) -> OidcClient:
    if gateway.oidc is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", "there is no issuer to sign in at; set WHITEBG_OIDC_ISSUER")
    return gateway.oidc


def _failed(oidc: OidcClient, error: SignInFailed) -> Response:
    """Open the page with the reason, which it shows in its reader's language."""
    ordinary = error.problem in {SignInProblem.INTERRUPTED, SignInProblem.CONSENT_REFUSED}
    level = logging.INFO if ordinary else logging.WARNING
    log.log(level, "sign-in failed: %s", error, extra={"problem": error.problem.value})
    return _redirect(f"{oidc.config.page_url}#{urlencode({'sign-in-problem': error.problem.value})}")


def _redirect(url: str) -> Response:
    headers = {"Location": url, "Cache-Control": "no-store"}
    return Response(status_code=HTTPStatus.SEE_OTHER, headers=headers)
