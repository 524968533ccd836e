"""For any request to the HTTP API, the response conforms to the OpenAPI document and is no internal error."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from generator_service.domain.task import TaskState
from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import SECRET, token_for
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.patience import PATIENCE
from ws_gateway.app import create_app
from ws_gateway.http.options import EngineName
from ws_gateway.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TOKEN = token_for("ann", scope="tasks admin")

schemathesis.openapi.format("binary", st.sampled_from([PICTURE, b""]) | st.binary(max_size=64))
PUBLIC = {"GET /healthz", "GET /readyz", "GET /api/v2/sign-in"}
FOR_GUESTS = {"POST /api/v2/guest-token", "POST /api/guest-token"}


@dataclass(frozen=True, slots=True)
class Api:
    """A gateway and its service in a thread with an event loop of its own."""

    base: str
    service: DrivenService
    loop: asyncio.AbstractEventLoop

    def prepare(self, batch_id: str) -> list[int]:
        """Make a batch of a cancelled and a completed task; return the ids of the tasks.

        Claims that an earlier case has paused are resumed.
        """
        for engine in EngineName:
            answer = httpx.post(
                f"{self.base}/api/v2/admin/resume",
                json={"engine": engine},
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=PATIENCE,
            )
            answer.raise_for_status()
        return asyncio.run_coroutine_threadsafe(self._prepare(batch_id), self.loop).result(PATIENCE)

    async def _prepare(self, batch_id: str) -> list[int]:
        cancelled, completed = [await self.service.submit("ann", batch_id=batch_id) for _ in range(2)]
        # Cancelling a cancelled task is no error.
        await self.service.cancel(cancelled.task_id)
        # Each user has only some tasks running at once, and those of earlier requests come first.
        while (await self.service.task(completed.task_id)).state is not TaskState.COMPLETED:
            for task in await self.service.work_on_all():
                await self.service.complete(task.task_id)
        return [cancelled.task_id, completed.task_id]


def operations() -> list[Any]:
    """Return every operation of the gateway's document."""
    how = Settings(jwt_secret=SECRET)  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
    schema = schemathesis.openapi.from_dict(create_app(how).openapi())
    found = [each for each in schema.get_all_operations() if isinstance(each, Ok)]
    return [pytest.param(each.ok(), id=each.ok().label) for each in found]


OPERATIONS = operations()
OPERATION_LABELS = [each.id for each in OPERATIONS]


async def serve(folder: Path, serving: Future[Api], stop: asyncio.Event) -> None:
    """Run a gateway and its service until ``stop`` is set."""
    service = DrivenService(folder / "data", SECRET, worker_slots=1, pool_processes=1)
    await service.start()
    how = Settings(
        http_port=0,
        jwt_secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
        grpc_target=service.target,
        guest_login=True,
        connections_per_minute=0,
        connections_per_address=0,
        failed_handshakes_per_minute=0,
        status_polls_per_minute=0,
        uploads_per_minute=0,
        flags_file=folder / "flags.json",
        drain_timeout=timedelta(seconds=5),
    )
    try:
        async with running(service, how) as world:
            serving.set_result(Api(f"http://{world.base}", service, asyncio.get_running_loop()))
            await stop.wait()
    finally:
        await service.stop()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A gateway in its own thread: schemathesis calls it as any client does."""
    serving: Future[Api] = Future()
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        stop = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), stop))
        await serve(tmp_path_factory.mktemp("flags"), serving, stop)

    thread = threading.Thread(target=asyncio.run, args=[main()], name="gateway")
    thread.start()
    loop, stop = ready.result(PATIENCE)
    try:
        yield serving.result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_makes_the_gateway_fail(api: Api, operation: Any) -> None:
    batch_id = f"batch-{OPERATION_LABELS.index(operation.label)}"
    task_ids = api.prepare(batch_id)

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), task_id=st.none() | st.sampled_from(task_ids))
    def ask(case: schemathesis.Case[Any], task_id: int | None) -> None:
        if task_id is not None:
            # Random ids hardly ever name anything.
            known = {"task_id": task_id, "batch_id": batch_id}
            case.path_parameters.update({name: known[name] for name in known.keys() & case.path_parameters.keys()})
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = case.call_and_validate(base_url=api.base, checks=CHECKS, headers=headers, timeout=PATIENCE)
        statuses[answer.status_code] += 1

    statuses: Counter[int] = Counter()
    ask()
    # Otherwise only errors would have been tested. A caller with a user's token is no guest.
    assert any(status < 300 for status in statuses) or operation.label in FOR_GUESTS, statuses


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.id not in PUBLIC])
def test_nobody_gets_anything_with_a_token_that_is_none(api: Api, operation: Any) -> None:
    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=api.base, headers={"Authorization": "Bearer none"}, timeout=PATIENCE)
        assert 400 <= answer.status_code < 500

    ask()
