"""Messages between processes, as text: hints, and progress on its way to clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from generator_service.domain.task import Progress


class NotOurs(Exception):
    """A message that no process of ours has sent, or one of another release."""


@dataclass(frozen=True, slots=True)
class Message:
    """That ``sender`` has committed something (``hint``), and how its tasks are going."""

    sender: str
    hint: bool = False
    progress: tuple[Progress, ...] = field(default=())


_MESSAGE = TypeAdapter(Message)
_PROGRESS = TypeAdapter(Progress)


def decode(text: str | bytes) -> Message:
    """Read a message.

    Raises:
        NotOurs: it is none.

    """
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as error:
        raise NotOurs(f"{error.error_count()} things wrong with it") from None


def encode(sender: str, *, hint: bool, progress: Sequence[Progress], limit: int) -> Iterator[str]:
    """Write messages of at most ``limit`` bytes each: the hint in the first one, and all progress that fits at all."""
    empty = len(_MESSAGE.dump_json(Message(sender, hint=hint)))
    chunk: list[Progress] = []
    size = empty
    for news in progress:
        cost = len(_PROGRESS.dump_json(news)) + 1
        if size + cost > limit and chunk:
            yield _text(sender, hint=hint, progress=chunk)
            hint, chunk, size = False, [], empty
        if size + cost <= limit:
            chunk.append(news)
            size += cost
    if hint or chunk:
        yield _text(sender, hint=hint, progress=chunk)


def _text(sender: str, *, hint: bool, progress: Sequence[Progress]) -> str:
    return _MESSAGE.dump_json(Message(sender, hint=hint, progress=tuple(progress))).decode()
