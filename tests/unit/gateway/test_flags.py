"""The rollback switch."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ws_gateway.flags import Flags, FlagsFile, FlagsFileUnset, Transport, bucket


def on_websocket(percent: float, users: list[str]) -> set[str]:
    flags = Flags(rollout_percent=percent)
    return {user for user in users if flags.transport(user) is Transport.WEBSOCKET}


class TestRollout:
    """Selection of the users on the WebSocket."""

    USERS: ClassVar = [f"user-{n}" for n in range(20_000)]

    def test_a_user_stands_where_it_stood_yesterday(self) -> None:
        assert [bucket(user) for user in ("ann", "bob", "杯", "")] == [7394, 9594, 1715, 6290]

    @given(st.text())
    def test_all_or_nothing(self, user: str) -> None:
        assert Flags(rollout_percent=100).transport(user) is Transport.WEBSOCKET
        assert Flags(rollout_percent=0).transport(user) is Transport.POLLING

    @given(st.text(), st.floats(0, 100), st.floats(0, 100))
    def test_raising_the_percent_takes_nobody_away(self, user: str, one: float, other: float) -> None:
        low, high = sorted((one, other))
        assert on_websocket(low, [user]) <= on_websocket(high, [user])

    @pytest.mark.parametrize("percent", [1, 5, 25, 50, 99])
    def test_the_share_is_what_was_asked_for(self, percent: float) -> None:
        share = len(on_websocket(percent, self.USERS)) / len(self.USERS) * 100
        # Four standard deviations of a fair draw.
        assert abs(share - percent) < 4 * (percent * (100 - percent) / len(self.USERS)) ** 0.5


@pytest.mark.parametrize(
    "content",
    [
        {"rollout_percent": 101},
        {"rollout_percent": -1},
        {"rollout_percent": None},
        {"polling_interval_ms": 10},
        {"rollout_percant": 5},
    ],
)
def test_what_makes_no_sense_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Flags.model_validate(content)


def contents(folder: Path) -> dict[str, object]:
    return {each.name: json.loads(each.read_text()) for each in folder.iterdir()}


class TestFile:
    """Flags that change while the gateway runs."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "flags.json"

    async def test_without_a_file_everybody_is_on_the_websocket(self, path: Path) -> None:
        assert (await FlagsFile(None).current()).rollout_percent == 100
        assert (await FlagsFile(path).current()).rollout_percent == 100

    async def test_without_a_path_nothing_can_be_changed(self) -> None:
        with pytest.raises(FlagsFileUnset, match="WHITEBG_FLAGS_FILE"):
            await FlagsFile(None).replace(Flags(rollout_percent=1))

    async def test_a_change_is_seen_at_once_by_all_who_read_the_file(self, path: Path) -> None:
        one, other = FlagsFile(path), FlagsFile(path)
        for percent in (30.0, 0.0, 99.5):
            await one.replace(Flags(rollout_percent=percent))
            assert (await one.current()).rollout_percent == percent
            assert (await other.current()).rollout_percent == percent

    async def test_a_replacement_leaves_nothing_behind(self, path: Path) -> None:
        await FlagsFile(path).replace(Flags(rollout_percent=5))
        assert contents(path.parent) == {"flags.json": {"rollout_percent": 5.0, "polling_interval_ms": 10_000}}

    @pytest.mark.parametrize("bad", ["", "{", "[]", '{"rollout_percent": 200}', " " * 100_000])
    async def test_bad_content_keeps_the_last_good_and_is_told_once(
        self, path: Path, bad: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = FlagsFile(path)
        await file.replace(Flags(rollout_percent=42))
        await file.current()
        await asyncio.to_thread(path.write_text, bad)
        for _ in range(3):
            assert (await file.current()).rollout_percent == 42
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1
        assert vars(errors[0])["path"] == str(path)
        assert vars(errors[0])["reason"]
        await file.replace(Flags(rollout_percent=43))
        assert (await file.current()).rollout_percent == 43

    async def test_a_file_that_goes_away_switches_nothing(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = FlagsFile(path)
        await file.replace(Flags(rollout_percent=0))
        await file.current()
        await asyncio.to_thread(path.unlink)
        assert (await file.current()).rollout_percent == 0
        assert "is gone" in caplog.text
