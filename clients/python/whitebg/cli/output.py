"""Output that fits its stream's encoding and carries no control characters of a server's text."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from whitebg.cli.problems import Problem
from whitebg_process.printable import CONTROL, printable

_ESCAPED = re.compile(f"[{CONTROL}\ud800-\udfff]")


class SafeConsole(Console):
    """A console that drops control characters from every text; its own codes for colour and cursor remain."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of ``renderable``, their text without control characters."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def console(*, stderr: bool = False) -> Console:
    """Return a console for the command's output, or for its notes and errors."""
    return SafeConsole(stderr=stderr, highlight=False)


def to_json(value: Any, stream: IO[str], default: Callable[[Any], object] | None = None) -> str:
    """Return ``value`` as one line of JSON that ``stream`` can encode; control characters are escaped, not dropped."""
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    text = json.dumps(value, default=default, ensure_ascii=not unicode)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """Flush the output of the block.

    Raises:
        Problem: the standard output can't be written, such as for a full disk.

    """
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            # The interpreter flushes once more at its end, and would print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                raise Problem(f"standard output: {error.strerror}", "free some space, or send it elsewhere") from error


def escape_unencodable() -> None:
    """Make the standard streams write characters that their encoding lacks as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # Tests and embedding programs put other objects there.
            stream.reconfigure(errors="backslashreplace")
