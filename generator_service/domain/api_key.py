"""API keys of services: made once, stored as a hash, limited to scopes. Pure.

A key reads ``wbk_<id>_<secret>``. The id is no secret and names the key in lists and logs; of the secret, 256 random
bits, only a SHA-256 is stored: a guess is as hopeless with a fast hash as with a slow one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from whitebg_process.key_sessions import KEY_SESSION_PREFIX

PREFIX = "wbk_"
_KEY = re.compile(r"wbk_([0-9a-f]{16})_([0-9A-Za-z_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key."""

    key_id: str
    """16 hexadecimal digits."""
    name: str
    secret_hash: str
    """SHA-256 of the secret, hexadecimal."""
    user_id: str
    """The user as whom its holder acts."""
    scopes: frozenset[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """Accurate to a minute."""
    revoked_at: datetime | None = None

    @property
    def session_id(self) -> str:
        """The name by which watches and sockets that it opened are ended when it is revoked."""
        return f"{KEY_SESSION_PREFIX}{self.key_id}"

    def usable(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def matches(self, secret: str) -> bool:
        """Compare a secret with the stored hash, in constant time."""
        return hmac.compare_digest(hash_of(secret), self.secret_hash)


def generate() -> tuple[str, str, str]:
    """Return the id, the secret's hash and the text of a new key."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return key_id, hash_of(secret), f"{PREFIX}{key_id}_{secret}"


def parse(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key; None for any other text."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def hash_of(secret: str) -> str:
    """Return the stored form of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
