"""`whitebg presets`: the settings for each marketplace, and their sources."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whitebg import models
from whitebg.cli.connection import Connection, connected
from whitebg.cli.tables import model_to_json


async def show_presets(connection: Connection, *, as_json: bool, console: Console) -> None:
    """Print the presets as a table, or as a line of JSON each."""
    async with connected(connection) as client:
        presets = await client.presets()
    if as_json:
        for preset in presets:
            console.file.write(model_to_json(preset, console.file) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("preset", "made as", "rule", "read in"):
        table.add_column(heading, overflow="fold")
    for preset in presets:
        table.add_row(preset.name, _made(preset), Text(preset.rule), Text(preset.source, style="dim"))
    console.print(table)


def _made(preset: models.Preset) -> str:
    size = f"up to {preset.size_px} px" if preset.size_px else "the product's own pixels"
    limit = f", at most {preset.max_bytes / 1e6:g} MB" if preset.max_bytes else ""
    return f"{size}, {preset.format.name}, {preset.fill:.0%} fill{limit}"
