"""Problems that the command line reports to its user."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Problem(Exception):
    """A problem that stops a command; the message includes the remedy."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(Text.assemble(("error: ", "bold red"), self.message), soft_wrap=True)
        if self.advice:
            console.print(Text(f"       {self.advice}"), soft_wrap=True)
