"""The real service and gateway under fuzzing, another user's data in them, their logs and their memory."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.api import TINY, Api, open_channel, token
from tests.support.processes import Program, ServiceProcess, free_port
from tools.fuzz.grpc_calls import Known
from tools.fuzz.senders import Senders
from tools.fuzz.tokens import SECRET, sign
from tools.fuzz.values import MALLORY, VICTIM
from whitebg.v1 import admin_service_pb2, task_pb2
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

_GATEWAY = {
    "guest_login": "1",
    "drain_timeout": "PT2S",
    **dict.fromkeys(
        (
            "connections_per_user",
            "connections_per_minute",
            "connections_per_address",
            "failed_handshakes_per_minute",
            "status_polls_per_minute",
            "uploads_per_minute",
        ),
        "0",
    ),
}
_SERVICE = {"worker_slots": "1", "pool_processes": "1", "pending_per_user": "100000", "min_free_mib": "0"}
_FAULTY = frozenset({"ERROR", "CRITICAL"})


@dataclass
class Servers:
    """A service and a gateway, in processes of their own."""

    service: ServiceProcess
    gateway: Program
    senders: Senders
    known: Known
    secret: str
    """A name in the data of `VICTIM`."""
    _read: dict[int, int] = field(default_factory=dict)

    def new_faults(self) -> Sequence[str]:
        """Return the tracebacks and errors that were logged since the last call, and the processes that ended."""
        found = []
        for name, process in (("service", self.service), ("gateway", self.gateway)):
            lines = process.lines[self._read.get(process.pid, 0) :]
            self._read[process.pid] = self._read.get(process.pid, 0) + len(lines)
            found += [f"{name} logged: {line}" for line in lines if _is_fault(line)]
            if not Path(f"/proc/{process.pid}/exe").exists():
                found.append(f"the {name} ended")
        return found

    def memory_mib(self) -> dict[str, float]:
        """Return the resident memory of service and gateway; engine processes have limits of their own."""
        return {"service": _resident_mib(self.service.pid), "gateway": _resident_mib(self.gateway.pid)}

    def descriptors(self) -> dict[str, int]:
        """Return the number of open files of service and gateway."""
        return {
            name: len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            for name, process in (("service", self.service), ("gateway", self.gateway))
        }

    def require_service(self) -> None:
        """Process a photo of a new user, after pauses and limits set by a case are reset.

        Raises:
            RuntimeError: the photo could not be processed.

        """
        asyncio.run(_process_one(self.service.target))


@contextmanager
def running_servers(folder: Path, **settings: str) -> Iterator[Servers]:
    """Run both while the block runs; ``settings`` are further ones of the service."""
    service = ServiceProcess(folder, SECRET, **_SERVICE | settings)
    try:
        port = free_port()
        addresses = {"http_port": str(port), "grpc_target": service.target, "jwt_secret": SECRET}
        gateway = Program([sys.executable, "-m", "ws_gateway"], addresses | _GATEWAY)
        try:
            gateway.wait_for("listening on")
            secret = f"secret-{secrets.token_hex(8)}"
            task_ids = asyncio.run(_prepare(service.target, secret))
            senders = Senders(service.target, port)
            try:
                yield Servers(service, gateway, senders, Known(task_ids, sign), secret)
            finally:
                senders.close()
        finally:
            gateway.close()
    finally:
        service.close()


async def _prepare(target: str, secret: str) -> Sequence[int]:
    """Submit photos of the victim and the caller; return the ids of their tasks."""
    async with open_channel(target) as channel:
        victim, mallory = (Api(channel, user, token(user, secret=SECRET)) for user in (VICTIM, MALLORY))
        tasks = [await victim.submit(filename=f"{secret}.png", batch_id=secret) for _ in range(2)]
        await victim.finished(*(task.task_id for task in tasks))
        tasks += [await mallory.submit(batch_id="mine") for _ in range(2)]
        await mallory.finished(*(task.task_id for task in tasks[2:]))
        return [task.task_id for task in tasks]


async def _process_one(target: str) -> None:
    async with open_channel(target) as channel:
        root = Api(channel, "root", token("root", secret=SECRET, scope="admin service"))
        admin = AdminServiceStub(channel)
        for engine in task_pb2.Engine.values():
            await admin.ResumeQueue(admin_service_pb2.ResumeQueueRequest(engine=engine), metadata=root.metadata)
        for limit in (
            await admin.GetQueueControl(admin_service_pb2.GetQueueControlRequest(), metadata=root.metadata)
        ).limits:
            none = admin_service_pb2.EngineLimit(engine=limit.engine)
            await admin.SetEngineLimit(admin_service_pb2.SetEngineLimitRequest(limit=none), metadata=root.metadata)
        user = f"user-{secrets.token_hex(6)}"
        api = Api(channel, user, token(user, secret=SECRET))
        (task,) = await api.finished((await api.submit(TINY)).task_id)
        if task.state != task_pb2.TASK_STATE_COMPLETED:
            raise RuntimeError(f"the servers can't process photos any more: {task}")


def _is_fault(line: str) -> bool:
    if "Traceback" in line:
        return True
    if not line.startswith("{"):
        return False
    return json.loads(line).get("level") in _FAULTY


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no resident memory")
