"""Tables on a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from whitebg.cli.usage import usage_table
from whitebg.v1 import usage_pb2


def test_day_of_usage_is_whole_in_eighty_columns() -> None:
    console = Console(file=io.StringIO(), width=80)
    used = usage_pb2.DayUsage(day="2026-11-28", user_id="a-user-with-a-long-name@example.com", bytes_in=2**40)
    console.print(usage_table([used]))
    assert isinstance(console.file, io.StringIO)
    assert "2026-11-28" in console.file.getvalue()
