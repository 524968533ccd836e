"""Pages and batches bounded by bytes: by default, gRPC clients reject messages of more than 4 MiB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

MAX_PAGE_BYTES = 1024 * 1024


def split(messages: Iterable[M], most: int | None = None) -> Iterator[list[M]]:
    """Yield the messages in order, in lists of at most ``most`` bytes (`MAX_PAGE_BYTES`); larger ones alone."""
    limit = MAX_PAGE_BYTES if most is None else most
    part: list[M] = []
    size = 0
    for message in messages:
        more = message.ByteSize()
        if part and size + more > limit:
            yield part
            part, size = [], 0
        part.append(message)
        size += more
    if part:
        yield part


def first_page(messages: Iterable[M], most: int | None = None) -> list[M]:
    """Return as many of the first messages as fit, but at least one if there is any."""
    return next(split(messages, most), [])
