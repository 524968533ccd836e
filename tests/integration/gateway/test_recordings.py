"""Recorded conversations with clients of earlier releases still pass unchanged."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.gateway.world import Client, GatewayHarness

RECORDINGS = Path(__file__).parent / "recordings"


def assert_fits(actual: Any, recorded: Any, where: str) -> None:
    """Compare everything, including missing and additional fields; placeholders stand for variable values."""
    if isinstance(recorded, dict):
        assert isinstance(actual, dict), where
        assert list(actual) == list(recorded), f"{where}: other fields, or in another order"
        for name, value in recorded.items():
            assert_fits(actual[name], value, f"{where}.{name}")
    elif recorded == "<time>":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", actual), where
    elif recorded == "<number>":
        assert isinstance(actual, float | int), where
        assert actual >= 0, where
    elif recorded == "<estimate>":
        assert actual is None or actual > 0, where
    elif isinstance(recorded, str) and recorded.startswith("<url "):
        assert re.fullmatch(re.escape(recorded[5:-1]) + r"\?user=\w+&exp=\d+&sig=[\w-]+", actual), where
    else:
        assert actual == recorded, where


async def news(client: Client) -> dict[str, Any]:
    """Return the next frame other than queue positions, whose timing is not fixed."""
    while (frame := await client.next()).get("data", {}).get("stage") == "queued" and "id" not in frame:
        continue
    return frame


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
async def test_a_recorded_conversation_still_passes(world: GatewayHarness, recording: Path) -> None:
    steps = orjson.loads(await asyncio.to_thread(recording.read_bytes))["steps"]
    async with world.open("ann") as client:
        for number, step in enumerate(steps):
            match step:
                case {"service": [verb, *arguments]}:
                    await getattr(world.service, verb)(*arguments)
                case {"client": frame}:
                    await client.send(**frame)
                case {"server": frame}:
                    assert_fits(await news(client), frame, f"step {number}")
                case other:
                    pytest.fail(f"step {number} is none that is known: {other}")
    assert client.socket.close_code == 1000
