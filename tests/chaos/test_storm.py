"""A thousand clients lose their gateway at once and move to another: all in sync, without one database read each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.crowd.storm import USERS, storm

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CLIENTS = 1000
GOING_AWAY = 4200


async def test_all_return_in_sync(tmp_path: Path) -> None:
    seen = await storm(tmp_path, CLIENTS)
    assert seen.close_codes == {GOING_AWAY}
    delays = seen.delays_ms
    assert delays[0] >= 200
    assert delays[-1] - delays[0] > CLIENTS, "the more clients, the wider they are to be spread"
    assert len(set(delays)) > CLIENTS // 4, "all would come back at once"
    assert all(client.seqs == [2] for client in seen.clients), "everyone missed one event, and got it once"
    # The gateway's own stream begins with one read; clients never cause one.
    assert seen.reads["database"] <= 1
    # What was read for one client of a user is there for the others; those that come at the same time each read it.
    assert seen.reads["memory"] < CLIENTS - USERS
