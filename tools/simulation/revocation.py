"""A gateway's list of revocations, over a stream that loses some of them and is opened again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta

from tests.support.clock import NOON, SettableClock
from tools.checker.calls import check_access
from tools.checker.history import Admitted, Config, Revoked
from tools.simulation.schedule import Broken, Step
from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.auth.revocations import Revocations

_SESSIONS = 6
_PAGE = 2


class RevocationWorld:
    """Revocations, their delivery, lost responses, streams that are opened again, and calls of all sessions."""

    steps: Mapping[str, int] = {"revoke": 3, "deliver": 5, "lose": 2, "reopen": 1, "call": 6}

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule, open the stream once more, and check who had access."""
        asyncio.run(_Run().all(schedule))


class _Run:
    def __init__(self) -> None:
        self.gateway = Revocations(SettableClock())
        self.log: list[pb.Revocation] = []
        self.stream: deque[pb.Revocation] = deque()
        self.lost = False
        """Whether the stream lost something that the gateway can't know of yet."""
        self.now = 0.0
        self.records: list[Revoked | Admitted] = []

    async def all(self, schedule: Sequence[Step]) -> None:
        await self._reopen()
        for name, number in [*schedule, ("reopen", 0), *(("call", session) for session in range(_SESSIONS))]:
            self.now += 1.0
            await self._step(name, number)
        violations = [*check_access(self.records, Config())]
        if violations:
            raise Broken(violations)

    async def list_revocations(self, after: int) -> pb.ListRevocationsResponse:
        """Answer as the service does."""
        page = self.log[after : after + _PAGE]
        return pb.ListRevocationsResponse(revocations=page, head=len(self.log), epoch="e1")

    async def _step(self, name: str, number: int) -> None:
        match name:
            case "revoke":
                revocation = pb.Revocation(number=len(self.log) + 1, session_id=_session(number))
                revocation.revoked_at.FromDatetime(NOON)
                revocation.expires_at.FromDatetime(NOON + timedelta(days=7))
                self.log.append(revocation)
                self.stream.append(revocation)
            case "deliver" if self.stream:
                if not self.gateway.take(self.stream.popleft()):
                    await self.gateway.catch_up(self)
                self.lost = False
                self._in_force()
            case "lose" if self.stream:
                self.stream.popleft()
                self.lost = True
            case "reopen":
                await self._reopen()
            case "call":
                self._call(_session(number))

    async def _reopen(self) -> None:
        self.stream.clear()
        self.lost = False
        await self.gateway.catch_up(self)
        self._in_force()

    def _in_force(self) -> None:
        """Once the gateway has everything, every revocation is in force."""
        if not self.stream and not self.lost:
            self.records += [Revoked(session=each.session_id, at=self.now) for each in self.log]

    def _call(self, session: str) -> None:
        if not self.gateway.covers(user_id="ann", session_ids=[session], issued_at=NOON):
            self.records.append(Admitted(session=session, began=self.now, at=self.now))
        elif all(each.session_id != session for each in self.log):
            raise Broken(f"{session} was rejected, and never revoked")


def _session(number: int) -> str:
    return f"s{number % _SESSIONS}"
