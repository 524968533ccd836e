"""The checker finds a service that ignores revocations, and no fault in the real one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from generator_service.rpc.auth import Authenticator
from tests.support.api import SECRET, Api, open_channel, token
from tests.support.driven_service import DrivenService
from tools.checker.history import Admitted, Record, Revoked
from tools.checker.verdict import check
from tools.checker.violation import Guarantee


async def history_of_a_session(folder: Path) -> list[Record]:
    """Call with a session's token, revoke the session, and call again."""
    records: list[Record] = []
    service = DrivenService(folder, SECRET)
    await service.start()
    try:
        async with open_channel(service.target) as channel:
            ann, root = Api(channel, "ann", token("ann", sid="s1")), Api(channel, "root", token("root", scope="admin"))
            for revoking in (True, False):
                began = time.time()
                try:
                    await ann.list_tasks()
                except aio.AioRpcError:
                    continue
                records.append(Admitted(session="s1", began=began, at=time.time()))
                if revoking:
                    await root.revoke(session_id="s1")
                    records.append(Revoked(session="s1", at=time.time()))
    finally:
        await service.stop()
    return records


async def test_a_revoked_session_has_no_access(tmp_path: Path) -> None:
    history = await history_of_a_session(tmp_path)
    assert [type(record) for record in history] == [Admitted, Revoked]
    assert check(history).violations == ()


async def test_a_service_that_ignores_revocations_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    init = Authenticator.__init__

    def ignoring(self: Authenticator, *args: Any, **named: Any) -> None:
        init(self, *args, **named | {"revoked": lambda _: False})

    monkeypatch.setattr(Authenticator, "__init__", ignoring)
    found = check(await history_of_a_session(tmp_path)).violations
    assert {violation.guarantee for violation in found} == {Guarantee.REVOKED}
