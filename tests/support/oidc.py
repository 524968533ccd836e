"""A real OpenID Connect issuer (node-oidc-provider, certified by the OpenID Foundation), and a person who uses it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx

from tests.support.http import http_client
from tests.support.processes import Program, free_port
from tools.node import find_node

FOLDER = Path(__file__).parent / "issuer"
OLDEST_NODE = 22
CLIENT_ID = "whitebg"
_ACTION = re.compile(r'action="([^"]+)"')
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass
class Issuer:
    """A running issuer, and this application's registration with it."""

    port: int
    page_url: str
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    process: Program | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **others: str) -> dict[str, str]:
        """Return the gateway's settings for it."""
        return {
            "oidc_issuer": self.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": self.client_secret,
            "oidc_redirect_uri": f"{self.page_url}auth/callback",
        } | others

    def start(self) -> None:
        node = find_node(OLDEST_NODE)
        node.install(FOLDER)
        variables = {
            "PORT": str(self.port),
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": self.client_secret,
            "PAGE_URL": self.page_url,
        }
        assignments = [f"{name}={value}" for name, value in variables.items()]
        self.process = Program(["/usr/bin/env", *assignments, node.node, str(FOLDER / "issuer.mjs")], {})
        self.process.wait_for("issuer listening")

    def stop(self) -> None:
        """End it, running or not."""
        if self.process is not None:
            self.process.close()
            self.process = None


@contextmanager
def running_issuer(page_url: str) -> Iterator[Issuer]:
    """Run an issuer that has the page at this address, with its slash, as its only client."""
    issuer = Issuer(free_port(), page_url)
    try:
        issuer.start()
        yield issuer
    finally:
        issuer.stop()


class Browser:
    """A browser as far as sign-ins need one: cookies, forms and redirects, which are followed to the issuer only."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.http = http_client()

    async def close(self) -> None:
        await self.http.aclose()

    async def begin(self, login_url: str) -> httpx.Response:
        """Open a login address; return the issuer's login page, or the response that leads elsewhere."""
        return await self._follow(await self.http.get(login_url))

    async def sign_in(self, login_page: httpx.Response, account: str) -> httpx.URL:
        """Fill in the issuer's forms, as far as it asks; return the address to which it sends the browser back."""
        page = login_page
        while not page.is_redirect:
            page = await self._submit(page, {"login": account, "password": "any"})
        return _location(page)

    async def refuse(self, login_page: httpx.Response) -> httpx.URL:
        """Press the issuer's button that ends the sign-in; return the address to which it sends the browser back."""
        found = re.search(r'href="([^"]+/abort)"', login_page.text)
        assert found, login_page.text
        return _location(await self._follow(await self.http.get(urljoin(str(login_page.url), found[1]))))

    async def come_back(self, url: httpx.URL | str) -> httpx.URL:
        """Open the redirect URI with the issuer's answer; return the address of the page that it leads to."""
        return _location(await self.http.get(url))

    async def _submit(self, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
        action = _ACTION.search(page.text)
        assert action, f"no form at {page.url}: {page.text}"
        hidden = dict(_HIDDEN.findall(page.text))
        answer = await self.http.post(urljoin(str(page.url), action[1]), data=hidden | fields)
        return await self._follow(answer)

    async def _follow(self, response: httpx.Response) -> httpx.Response:
        while response.is_redirect and (target := _location(response)).port == self._issuer.port:
            response = await self.http.get(target)
        return response


def _location(response: httpx.Response) -> httpx.URL:
    assert response.is_redirect, f"{response.status_code} of {response.url}: {response.text}"
    return response.url.join(response.headers["location"])
