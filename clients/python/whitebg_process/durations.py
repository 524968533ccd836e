"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII | re.IGNORECASE)
_NUMBER = r"\d+(?:[.,]\d+)?"
_ISO = re.compile(
    rf"P(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=\d)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?",
    re.ASCII | re.IGNORECASE,
)


def parse_duration(text: str) -> timedelta:
    """Return the duration written as seconds (``300``, ``1.5``), ``30s``, ``5m``, ``24h``, ``30d``, or in ISO 8601.

    ISO 8601 durations have weeks, days, hours, minutes and seconds (``PT5M``, ``P1DT12H``); months and years have no
    fixed length.

    Raises:
        ValueError: it is none of these, or longer than about 2.7 million years.

    """
    stripped = text.strip()
    try:
        if short := _SHORT.fullmatch(stripped):
            return timedelta(**{_UNITS[short[2].lower() or "s"]: float(short[1])})
        iso = _ISO.fullmatch(stripped)
        parts = {unit: value for unit, value in iso.groupdict().items() if value is not None} if iso else {}
        if parts:
            return timedelta(**{unit: float(value.replace(",", ".")) for unit, value in parts.items()})
    except OverflowError:
        pass  # Reported like any other text that is no duration.
    raise ValueError(f"{text!r} is not a duration; write seconds (300), 30s, 5m, 24h, 30d, or ISO 8601 (PT5M)")
