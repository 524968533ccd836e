"""The times that ``--at`` takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer

from whitebg.cli.options import start_of

HERE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 24, 21, 0, tzinfo=HERE)
"""Summer time ends in the night."""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", HERE.key)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW + timedelta(hours=2)),
        ("PT90M", NOW + timedelta(minutes=90)),
        ("22:30", NOW.replace(hour=22, minute=30)),
        ("08:00", datetime(2026, 10, 25, 7, 0, tzinfo=UTC)),
        ("08:00Z", datetime(2026, 10, 25, 8, 0, tzinfo=UTC)),
        ("2026-10-24T22:00", datetime(2026, 10, 24, 20, 0, tzinfo=UTC)),
        ("2026-12-01 08:00", datetime(2026, 12, 1, 7, 0, tzinfo=UTC)),
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
    ],
)
def test_time_is_local_unless_it_names_a_zone(text: str, expected: datetime) -> None:
    assert start_of(text, NOW.astimezone()) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-13-01T08:00"])
def test_other_texts_are_rejected(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        start_of(text, NOW)
