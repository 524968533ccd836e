"""The public keys of an identity provider, fetched from its JWKS URL and kept until they rotate."""

from __future__ import annotations

import asyncio
import logging

import jwt

from ws_gateway.auth.jwt import TokenUncheckable
from ws_gateway.clock import Clock

log = logging.getLogger(__name__)

_FETCH_TIMEOUT_S = 5.0


class KeysUnavailable(TokenUncheckable):
    """The keys could not be fetched, and none are at hand."""

    code = "keys_unavailable"


class KeyMissing(Exception):
    """The provider has no such key."""


class KeySet:
    """Keys by their id. Fetched anew after ``lifetime`` seconds, and when an unknown key is asked for.

    At most one fetch begins every ``cooldown`` seconds, regardless of demand: made-up key IDs cause no load on the
    provider. While the provider is unavailable, the last known keys stay valid.
    """

    def __init__(self, url: str, *, clock: Clock, lifetime: float = 300.0, cooldown: float = 5.0) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_FETCH_TIMEOUT_S)
        self._url = url
        self._clock = clock
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._keys: dict[str, jwt.PyJWK] = {}
        self._stale_at = self._may_fetch_at = clock.monotonic()
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return a key.

        Raises:
            KeyMissing: the provider has none of this id.
            KeysUnavailable: the provider can't be reached, and never could be.

        """
        if not self._good(key_id):
            async with self._lock:
                if not self._good(key_id) and self._clock.monotonic() >= self._may_fetch_at:
                    await self._fetch()
        if not self._keys:
            raise KeysUnavailable(f"the keys at {self._url} can't be fetched right now; try again in a moment")
        try:
            return self._keys[key_id]
        except KeyError:
            raise KeyMissing(f"the provider has no key {key_id[:80]!r}") from None

    def _good(self, key_id: str) -> bool:
        return key_id in self._keys and self._clock.monotonic() < self._stale_at

    async def _fetch(self) -> None:
        try:
            # PyJWT's client blocks.
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except (jwt.PyJWTError, ValueError) as error:
            log.warning("could not fetch the keys at %s: %s", self._url, error)
        else:
            self._keys = {key.key_id: key for key in keys if key.key_id is not None}
            self._stale_at = self._clock.monotonic() + self._lifetime
        self._may_fetch_at = self._clock.monotonic() + self._cooldown
