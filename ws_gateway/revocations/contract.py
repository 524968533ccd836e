"""What was revoked, and what everyone who remembers it offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ws_gateway.auth import TokenUncheckable


class Kind(StrEnum):
    """What is ended."""

    USER = "user"
    """Everything that a user was given until then; what is issued later is good."""
    TOKEN = "token"  # noqa: S105 (a name)
    """The tokens with one ``jti``, and those traded for them."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """An end to sessions."""

    kind: Kind
    name: str
    """The user's id, or the ``jti``."""


class RevocationsUnknown(TokenUncheckable):
    """What was revoked has not been read since the start, so no token can be trusted."""

    code = "revocations_unknown"


class NotShared(Exception):
    """A revocation holds in this process, but the others could not be told."""

    def __init__(self, closed: int) -> None:
        super().__init__("Redis can't be reached")
        self.closed = closed
        """How many sockets were closed here."""


class Revocations(Protocol):
    """Remembers what was revoked until the tokens concerned have expired.

    To ask costs no more than a look into memory: it is done for every request.
    """

    @property
    def known(self) -> bool:
        """Whether it is known what was revoked; once it is, it stays so."""
        ...

    def covers(self, *, user_id: str, token_id: str, issued_at: datetime | None) -> bool:
        """Say whether a token was revoked. One that does not say when it was issued counts as issued before."""
        ...

    def listen(self, listener: Callable[[], int]) -> None:
        """Have this called after every revocation, whoever made it: it closes sockets, and returns how many."""
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke from now on; return how many sockets were closed in this process.

        Raises:
            NotShared: it holds here, but others could not be told; doing it again does no harm.

        """
        ...
