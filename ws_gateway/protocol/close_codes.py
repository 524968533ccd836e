"""Close codes of the WebSocket. The range determines the client's reaction; the number gives the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Policy(Enum):
    """A client's reaction to a close."""

    STOP = 40
    """Do not come back by yourself: something must change first."""
    BACK_OFF = 41
    """Come back with exponential backoff and full jitter."""
    RECONNECT = 42
    """Come back soon, and resume by cursor."""


class CloseCode(IntEnum):
    """Why the gateway closed a socket."""

    UNAUTHENTICATED = 4001
    """The token is missing or can't be used."""
    ORIGIN_NOT_ALLOWED = 4003
    """The page's origin may not connect; refused at the handshake with HTTP 403."""
    PROTOCOL_ERROR = 4004
    """A frame that is not of the protocol: not JSON, an unknown type, over 64 KiB."""
    TOKEN_EXPIRED = 4010
    """The token ran out: get a new one, then come back."""
    TOO_SLOW = 4101
    """The client does not read, never acks, or sends too many frames."""
    SILENT = 4102
    """A client that keeps a heartbeat sent nothing for 60 s.

    Applies only to clients that have sent a ping or a pong. Others are checked by the WebSocket's own pings, which
    browsers answer automatically."""
    TOO_MANY_CONNECTIONS = 4103
    """Too many connections, open or per minute; the reason ends with ``try again in N s``."""
    GOING_AWAY = 4200
    """The gateway shuts down: resume elsewhere."""

    @property
    def policy(self) -> Policy:
        """The client's reaction."""
        return Policy(self.value // 100)


# A close frame holds 125 bytes, two of them the code.
_MAX_REASON_BYTES = 123


@dataclass(frozen=True, slots=True)
class Close:
    """How a socket is to be closed."""

    code: CloseCode
    reason: str
    """For a person; cut to what a close frame holds."""

    def __post_init__(self) -> None:
        cut = self.reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        object.__setattr__(self, "reason", cut)
