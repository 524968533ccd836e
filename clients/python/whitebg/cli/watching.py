"""`whitebg watch`."""

from __future__ import annotations

import contextlib
from contextlib import aclosing

from rich.console import Console
from rich.live import Live
from rich.text import Text

from whitebg import errors
from whitebg.cli import output
from whitebg.cli.connection import Connection, connected
from whitebg.cli.tables import WatchTable, line, model_to_json


async def watch(connection: Connection, *, since: str | None, all_users: bool, as_json: bool, console: Console) -> None:
    """Show what happens until interrupted, then print the cursor to resume from."""
    cursor, table, notes = since or "", WatchTable(), output.console(stderr=True)

    def broken(error: errors.WhitebgError, delay: float) -> None:
        notes.print(Text(f"connection lost, trying again in {delay:.1f} s: {error.message}"), soft_wrap=True)

    live = Live(table.render(), console=console) if console.is_terminal and not as_json else None
    try:
        async with connected(connection) as client:
            updates = client.watch(since, snapshot=True, all_users=all_users, on_retry=broken)
            with live or contextlib.nullcontext():
                async with aclosing(updates):
                    async for update in updates:
                        cursor = update.cursor or cursor
                        if as_json:
                            kind = type(update).__name__
                            console.file.write(f'{{"kind": "{kind}", {model_to_json(update, console.file)[1:]}\n')
                            console.file.flush()
                        elif live is not None:
                            table.take(update)
                            live.update(table.render())
                        elif text := line(update):
                            console.print(Text(text), soft_wrap=True)
    except errors.InvalidRequest:
        cursor = ""  # It was refused.
        raise
    finally:
        if cursor:
            notes.print(Text(f"resume with --since {cursor}"), soft_wrap=True)
