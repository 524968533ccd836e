"""The registration of this application with the issuer, read from the settings. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from whitebg_process.loopback import is_loopback
from ws_gateway.auth.oidc.identity import AccessRules

CALLBACK = "auth/callback"
"""Path of the redirect URI below the page's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """What the client needs; all of it is checked by `make_config`."""

    issuer: str
    """The exact ``iss`` of its ID tokens."""
    issuer_name: str
    """For people."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...]
    redirect_uri: str
    """Address of `CALLBACK`."""
    session_ttl: timedelta
    rules: AccessRules

    @property
    def page_url(self) -> str:
        """Address of the page, with a slash at its end."""
        return self.redirect_uri.removesuffix(CALLBACK)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the page by https."""
        return self.redirect_uri.startswith("https:")


def make_config(
    *,
    issuer: str,
    name: str,
    client_id: str,
    client_secret: str,
    scopes: tuple[str, ...],
    redirect_uri: str,
    page_url: str,
    session_ttl: timedelta,
    email_domains: Collection[str],
    admin_claim: str,
) -> OidcConfig | None:
    """Return the configuration; None where no issuer is set. ``redirect_uri`` is below ``page_url`` unless set.

    Raises:
        ValueError: a setting is missing or wrong; the message names it and the remedy.

    """
    if not issuer:
        if client_id:
            raise ValueError("WHITEBG_OIDC_CLIENT_ID is set, but WHITEBG_OIDC_ISSUER is not: set both or neither")
        return None
    if not client_id:
        raise ValueError("WHITEBG_OIDC_ISSUER is set, but WHITEBG_OIDC_CLIENT_ID is not: set the issuer's client id")
    if "openid" not in scopes:
        raise ValueError("WHITEBG_OIDC_SCOPES lacks openid, without which the issuer sends no ID token: add it")
    claim, _, value = admin_claim.partition("=")
    if admin_claim and not (claim and value):
        raise ValueError(
            f"WHITEBG_OIDC_ADMIN_CLAIM: {admin_claim!r} is not claim=value; write it like groups=whitebg-admins"
        )
    return OidcConfig(
        issuer=check_address(issuer, "WHITEBG_OIDC_ISSUER"),
        issuer_name=name or urlsplit(issuer).netloc,
        client_id=client_id,
        client_secret=client_secret,
        scopes=scopes,
        redirect_uri=_redirect_uri(redirect_uri, page_url),
        session_ttl=session_ttl,
        rules=AccessRules(email_domains=frozenset(email_domains), admin_claim=claim, admin_value=value),
    )


def check_address(url: str, name: str) -> str:
    """Return an address that tokens and codes may be sent to: https, or http on this machine.

    Raises:
        ValueError: it is another one; the message names it by ``name``.

    """
    if not is_protected(url):
        raise ValueError(f"{name}: {url!r} must begin with https:// (http:// is for localhost only)")
    return url


def is_protected(url: str) -> bool:
    """Return whether nothing can be read or changed on the way to an address: https, or http on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return (parts.scheme == "https" and bool(host)) or (parts.scheme == "http" and is_loopback(host))


def _redirect_uri(redirect_uri: str, page_url: str) -> str:
    if redirect_uri:
        if not redirect_uri.endswith(f"/{CALLBACK}"):
            raise ValueError(f"WHITEBG_OIDC_REDIRECT_URI: {redirect_uri!r} must end with /{CALLBACK}")
        return check_address(redirect_uri, "WHITEBG_OIDC_REDIRECT_URI")
    if not page_url:
        raise ValueError(
            "WHITEBG_OIDC_ISSUER is set, but neither WHITEBG_PUBLIC_URL nor WHITEBG_OIDC_REDIRECT_URI is: "
            "set WHITEBG_PUBLIC_URL to the page's address, such as https://whitebg.example.com"
        )
    return f"{check_address(page_url, 'WHITEBG_PUBLIC_URL')}/{CALLBACK}"
