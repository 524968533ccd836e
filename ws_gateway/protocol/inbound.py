"""Frames from the browser, read strictly. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ws_gateway.protocol.cursor import Since, Start, UserCursor, parse_since

MAX_FRAME_BYTES = 64 * 1024
_MAX_SHOWN = 40
_KNOWN = "ping, pong, sync, ack, auth and watch_queue"


class ProtocolError(Exception):
    """A frame that violates the protocol; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a ``pong``."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Confirms that the client is alive."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Requests missed events."""

    since: Since


@dataclass(frozen=True, slots=True)
class Ack:
    """Confirms a message and all before it."""

    message_id: UserCursor


@dataclass(frozen=True, slots=True)
class Auth:
    """Offers a token: as the first frame, or in place of one that expires."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WatchQueue:
    """Requests hints about changes of the whole queue; for operators."""


Inbound = Ping | Pong | Sync | Ack | Auth | WatchQueue


def parse(frame: str | bytes) -> Inbound:
    """Read one frame. Unknown fields are ignored, unknown types are not.

    A ``sync`` without ``since`` asks for the tasks as they stand.

    Raises:
        ProtocolError: the frame is binary, too long, not a JSON object, of an unknown type, or a field can't be used.

    """
    if isinstance(frame, bytes):
        raise ProtocolError("binary frame; send text frames of JSON")
    # A character takes at most four bytes, so short frames need no encoding to be measured.
    if len(frame) * 4 > MAX_FRAME_BYTES and len(frame.encode()) > MAX_FRAME_BYTES:
        raise ProtocolError(f"frame over {MAX_FRAME_BYTES} bytes")
    try:
        body = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError('not a JSON object with a "type"')
    match body.get("type"):
        case "ping":
            return Ping()
        case "pong":
            return Pong()
        case "sync":
            return Sync(_since(body.get("since")))
        case "ack":
            return Ack(_message_id(body.get("message_id")))
        case "auth":
            return Auth(_token(body.get("token")))
        case "watch_queue":
            return WatchQueue()
        case str(other):
            raise ProtocolError(f"unknown type {other[:_MAX_SHOWN]!r}; known are {_KNOWN}")
        case _:
            # Not shown: a deeply nested value has no text within Python's limit of recursion.
            raise ProtocolError(f"the type is missing or no text; known are {_KNOWN}")


def _since(value: Any) -> Since:
    if value is None:
        return Start.SNAPSHOT
    if not isinstance(value, str):
        raise ProtocolError("since: neither a cursor nor an RFC 3339 time, as text")
    try:
        return parse_since(value)
    except ValueError as error:
        raise ProtocolError(str(error)) from None


def _message_id(value: Any) -> UserCursor:
    if not isinstance(value, str):
        raise ProtocolError("message_id: not the id of a message")
    try:
        return UserCursor.parse(value)
    except ValueError as error:
        raise ProtocolError(f"message_id: {error}") from None


def _token(value: Any) -> str:
    if not isinstance(value, str):
        raise ProtocolError("token: not a token, as text")
    return value
