"""Callers that submit, repeat, cancel and delete tasks at random, and record every call with its outcome."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from grpc import aio

from tests.support.api import QUICK, Api
from tests.support.photos import product_photo
from tools.chaos.recorder import Recorder, state_name
from tools.checker.history import Admitted, Readiness, Revoked
from whitebg.v1 import generator_service_pb2 as pb

PHOTO = product_photo(64, 48)
"""Takes the engine half a second, so that faults meet it at work."""
CALL_SECONDS = 10.0
"""Deadline of a call; one to a frozen process ends with it."""
_REJECTIONS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: "quota",
    grpc.StatusCode.NOT_FOUND: "not_found",
    grpc.StatusCode.FAILED_PRECONDITION: "wrong_state",
}
"""Answers that are definite. After any other error the call may have had its effect, or not."""


@dataclass
class Caller:
    """One user's calls through gRPC."""

    api: Api
    recorder: Recorder
    rng: random.Random
    tasks: list[int] = field(default_factory=list)
    """Acknowledged tasks that were not deleted."""
    _keys: int = 0

    async def call_until(self, over: asyncio.Event) -> None:
        """Call at random until ``over`` is set; a submission under way is repeated until its outcome is known."""
        while not over.is_set():
            act = self.rng.choices((self.submit, self.cancel, self.delete, self.get), (6, 2, 1, 2))[0]
            await act()
            await asyncio.sleep(self.rng.uniform(0.05, 0.8))

    async def submit(self) -> None:
        """Submit a photo, or now and then the photo of an earlier task again."""
        self._keys += 1
        request = pb.SubmitTaskRequest(options=QUICK, idempotency_key=f"{self.api.user}-{self._keys}")
        if self.tasks and self.rng.random() < 0.2:
            request.source_task_id = self.rng.choice(self.tasks)
        else:
            request.image = PHOTO
        while True:
            began = time.time()
            try:
                answer = await self.api.stub.SubmitTask(request, metadata=self.api.metadata, timeout=CALL_SECONDS)
            except aio.AioRpcError as error:
                outcome = self._outcome(error)
                self._record("submit", began, outcome, key=request.idempotency_key)
                if outcome != "unknown":
                    return
                await asyncio.sleep(0.2)
            else:
                self._record("submit", began, "ok", key=request.idempotency_key, task_id=answer.task.task_id)
                self.tasks.append(answer.task.task_id)
                return

    async def cancel(self) -> None:
        """Cancel a recent task."""
        if not self.tasks:
            return
        began, task_id = time.time(), self.rng.choice(self.tasks[-4:])
        try:
            task = await self.api.cancel(task_id)
        except aio.AioRpcError as error:
            self._record("cancel", began, self._outcome(error), task_id=task_id)
        else:
            self._record("cancel", began, "ok", task_id=task_id, state=state_name(task.state), seq=task.seq)

    async def delete(self) -> None:
        """Delete a task in any state."""
        if not self.tasks:
            return
        began, task_id = time.time(), self.tasks.pop(self.rng.randrange(len(self.tasks)))
        try:
            answer = await self.api.delete(task_ids=[task_id])
        except aio.AioRpcError as error:
            self._record("delete", began, self._outcome(error), task_id=task_id)
        else:
            self._record("delete", began, "ok" if answer.task_ids else "not_found", task_id=task_id)

    async def get(self) -> None:
        """Read a task."""
        if not self.tasks:
            return
        began, task_id = time.time(), self.rng.choice(self.tasks)
        try:
            task = await self.api.get(task_id)
        except aio.AioRpcError as error:
            self._record("get", began, self._outcome(error), task_id=task_id)
        else:
            self._record("get", began, "ok", task_id=task_id, state=state_name(task.state), seq=task.seq)

    def _record(self, operation: str, began: float, outcome: str, **details: Any) -> None:
        self.recorder.called(self.api.user, operation, began, outcome, **details)

    @staticmethod
    def _outcome(error: aio.AioRpcError) -> str:
        return _REJECTIONS.get(error.code(), "unknown")


@dataclass
class Intruder:
    """Calls service and gateway with one session's token, before and after it is revoked."""

    session: str
    api: Api
    token: str
    address: str
    http: httpx.AsyncClient
    recorder: Recorder

    async def call(self) -> None:
        """Call until cancelled."""
        while True:
            for call in (self._grpc, self._http):
                began = time.time()
                if await call():
                    self.recorder.add(Admitted(session=self.session, began=began, at=time.time()))
            await asyncio.sleep(0.3)

    async def _grpc(self) -> bool:
        try:
            await self.api.list_tasks(page_size=1)
        except aio.AioRpcError:
            return False
        return True

    async def _http(self) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = await self.http.get(f"http://{self.address}/api/generation/tasks", headers=headers, timeout=10)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


async def revoke(admin: Api, session: str, recorder: Recorder) -> None:
    """Revoke a session, repeated until it is acknowledged."""
    while True:
        try:
            await admin.revoke(session_id=session)
        except aio.AioRpcError:
            await asyncio.sleep(0.2)
        else:
            recorder.add(Revoked(session=session, at=time.time()))
            return


async def watch_readiness(address: str, http: httpx.AsyncClient, recorder: Recorder) -> None:
    """Read the gateway's readiness, which includes the service's, until cancelled."""
    while True:
        began = time.time()
        try:
            answer = await http.get(f"http://{address}/readyz", timeout=10)
            problem = {} if answer.status_code == 200 else answer.json()
        except (httpx.HTTPError, ValueError):
            recorder.add(Readiness(began=began, at=time.time(), ready=False, reasons=("unreachable",)))
        else:
            details = (problem.get("error") or problem).get("details") or ()
            reasons = tuple(str(detail.get("field")) for detail in details)
            ready = answer.status_code == 200
            recorder.add(Readiness(began=began, at=time.time(), ready=ready, reasons=reasons))
        await asyncio.sleep(0.5)
