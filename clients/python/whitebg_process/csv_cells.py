"""Cells of CSV files that spreadsheet programs open."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of a formula, also in full width, which some locales treat alike."""
_CONTROL = ("\t", "\r", "\n")


def text_cell(text: str) -> str:
    """Return a text with an apostrophe in front where a spreadsheet program would take it for a formula."""
    return f"'{text}" if text.startswith(_CONTROL) or text.lstrip().startswith(_FORMULA) else text
