"""Problems that the command line reports to its user."""

from __future__ import annotations

import os

from rich.console import Console
from rich.text import Text

from whitebg_process.printable import one_line

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def file_problem(error: OSError, otherwise: str = "") -> str:
    """Return the problem with a file in one line: its name, or ``otherwise`` if the error has none, and the reason."""
    name = one_line(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else otherwise
    reason = error.strerror or str(error)
    return f"{name}: {reason}" if name else reason


class Problem(Exception):
    """A problem that stops a command; the message includes the remedy."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(Text.assemble(("error: ", "bold red"), one_line(self.message)), soft_wrap=True)
        if self.advice:
            console.print(Text(f"       {self.advice}"), soft_wrap=True)
