"""The times that ``--at`` takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from whitebg.cli.options import start_of

HERE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 27, 21, 0, tzinfo=HERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW + timedelta(hours=2)),
        ("PT90M", NOW + timedelta(minutes=90)),
        ("22:30", NOW.replace(hour=22, minute=30)),
        ("08:00", datetime(2026, 11, 28, 8, 0, tzinfo=HERE)),
        ("2026-12-01T08:00", datetime(2026, 12, 1, 8, 0, tzinfo=HERE)),
        ("2026-12-01 08:00", datetime(2026, 12, 1, 8, 0, tzinfo=HERE)),
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
    ],
)
def test_time_is_local_unless_it_names_a_zone(text: str, expected: datetime) -> None:
    assert start_of(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-13-01T08:00"])
def test_other_texts_are_rejected(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        start_of(text, NOW)
