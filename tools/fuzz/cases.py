"""Inputs of the servers as plain data: generated, replayed from the corpus, and stored when they find a fault."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings


def generated_only(count: int) -> settings:
    """Return the settings of a run of ``count`` cases: nothing is stored, shrunk or timed."""
    return settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True, slots=True)
class GrpcCase:
    """One call of the service."""

    method: str
    """Full name, such as ``/whitebg.v1.GeneratorService/GetTask``."""
    request: bytes
    """The serialized message, perhaps damaged."""
    metadata: Sequence[tuple[str, str]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the case as JSON values."""
        return {
            "method": self.method,
            "request": _text(self.request),
            "metadata": [list(each) for each in self.metadata],
        }


@dataclass(frozen=True, slots=True)
class HttpCase:
    """Bytes sent to the gateway over one connection."""

    request: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the case as JSON values."""
        return {"http": _text(self.request)}


@dataclass(frozen=True, slots=True)
class SocketCase:
    """A WebSocket session: the query of its handshake, and the bytes that the client sends."""

    query: str
    v2: bool
    frames: Sequence[str | bytes]
    """Text and binary frames."""
    raw: bytes = b""
    """Bytes after the frames that may be no frame."""

    def to_json(self) -> dict[str, Any]:
        """Return the case as JSON values."""
        frames = [each if isinstance(each, str) else {"binary": _text(each)} for each in self.frames]
        return {"query": self.query, "v2": self.v2, "frames": frames, "raw": _text(self.raw)}


Case = GrpcCase | HttpCase | SocketCase


def from_json(found: dict[str, Any]) -> Case:
    """Read a case back.

    Raises:
        KeyError: it is none.

    """
    if "method" in found:
        return GrpcCase(found["method"], _bytes(found["request"]), [(name, value) for name, value in found["metadata"]])
    if "http" in found:
        return HttpCase(_bytes(found["http"]))
    frames = [each if isinstance(each, str) else _bytes(each["binary"]) for each in found["frames"]]
    return SocketCase(found["query"], found["v2"], frames, _bytes(found["raw"]))


def read_corpus(file: Path) -> Iterator[tuple[str, Case]]:
    """Yield the name and the case of each line of a corpus."""
    for line in file.read_text().splitlines():
        found = json.loads(line)
        yield found["name"], from_json(found["case"])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
