"""What the command line tells a person who can do something about it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Problem(Exception):
    """Something that stops a command: what was wrong, and what to do."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(Text.assemble(("error: ", "bold red"), self.message), soft_wrap=True)
        if self.advice:
            console.print(Text(f"       {self.advice}"), soft_wrap=True)
