"""The public keys of an identity provider, fetched from its JWKS URL and kept until they rotate."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from functools import cached_property

import jwt

from ws_gateway.auth.jwt import TokenUncheckable
from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

FETCH_SECONDS = 5.0
"""Longest time of one fetch, whatever the provider sends in the meantime."""


class KeysUnavailable(TokenUncheckable):
    """The keys could not be fetched, and the one that is needed is not at hand."""

    code = "keys_unavailable"


class KeyMissing(Exception):
    """The provider has no such key."""


class KeySetUnusable(Exception):
    """The provider's answer is no key set."""


class KeySet:
    """Keys by their id. Fetched again after ``lifetime`` seconds, and when an unknown key is asked for.

    At most one fetch begins every ``cooldown`` seconds, regardless of demand: made-up key IDs cause no load on the
    provider. While the provider is unavailable or slow, the last known keys stay valid, and nothing waits for new ones.
    """

    def __init__(self, url: str, *, clock: Clock, lifetime: float = 300.0, cooldown: float = 5.0) -> None:
        self._url = url
        self._clock = clock
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._keys: dict[str, jwt.PyJWK] = {}
        self._stale_at = self._may_fetch_at = clock.monotonic()
        self._fetching: asyncio.Task[None] | None = None
        self._failed = True
        """Whether the latest fetch failed, so that an unknown key may be a new one."""

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return a key.

        Raises:
            KeyMissing: the provider has none of this id.
            KeysUnavailable: the key is unknown, and the provider was unavailable when it was asked last.

        """
        now = self._clock.monotonic()
        unknown, overdue = key_id not in self._keys, now - self._stale_at
        if self._fetching is None and now >= self._may_fetch_at and (unknown or overdue >= 0):
            self._fetching = asyncio.create_task(self._fetch(), name="key-set")
        # After a long time without any token, a known key may have been withdrawn.
        if self._fetching is not None and (unknown or overdue >= self._lifetime):
            # A caller that leaves must not end the fetch: the next one would begin another.
            await asyncio.shield(self._fetching)
        if self._failed and key_id not in self._keys:
            raise KeysUnavailable(f"the keys at {self._url} can't be fetched right now; try again in a moment")
        try:
            return self._keys[key_id]
        except KeyError:
            raise KeyMissing(f"the provider has no key {key_id[:80]!r}") from None

    async def _fetch(self) -> None:
        import httpx2  # Most gateways have no identity provider.

        lasts, self._failed = self._cooldown, True
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = parse_key_set(await self._download())
            lasts, self._failed = self._lifetime, False
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, KeySetUnusable) as error:
            log.warning("could not fetch the keys at %s: %s", self._url, str(error) or type(error).__name__)
        finally:
            now = self._clock.monotonic()
            self._stale_at, self._may_fetch_at = now + lasts, now + self._cooldown
            self._fetching = None

    async def _download(self) -> bytes:
        """Return the answer of the provider; redirects are not followed.

        Raises:
            httpx2.HTTPError: there is none, or an error, or one that is not read.

        """
        import httpx2

        from ws_gateway.auth.bounded_answers import bounded

        async with httpx2.AsyncClient(verify=self._tls, timeout=FETCH_SECONDS, **bounded()) as http:
            return (await http.get(self._url)).raise_for_status().content

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """With the certificate authorities of the system. Loaded once: that takes longer than most requests."""
        return ssl.create_default_context()


def parse_key_set(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JSON Web Key Set that verify signatures, by their ids; others are left out. Pure.

    Raises:
        KeySetUnusable: it is no key set, or has no such key.

    """
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise KeySetUnusable(f"it is not JSON: {error}") from None
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise KeySetUnusable("there is no JSON object with a list of keys")
    found = {key.key_id: key for each in entries if (key := _signing_key(each)) is not None and key.key_id}
    if not found:
        raise KeySetUnusable("the key set has no key for signatures with an id (kid)")
    return found


def _signing_key(entry: object) -> jwt.PyJWK | None:
    """Return a key that verifies signatures; None for any other entry, as the standard wants (RFC 7517, section 5)."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    if not all(isinstance(entry.get(name, ""), str) for name in ("kid", "alg")):
        return None
    try:
        return jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        log.info("a key of the key set can't be used: %s", error)
        return None
