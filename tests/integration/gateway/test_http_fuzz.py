"""Whatever is sent to the HTTP API, the gateway answers as its OpenAPI document says, and never with a fault."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

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

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import PATIENCE, SECRET, token_for
from tests.support.driven_service import PICTURE, DrivenService
from ws_gateway.app import create_app
from ws_gateway.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TOKEN = token_for("ann", scope="tasks admin", exp=4_000_000_000)

schemathesis.openapi.format("binary", st.sampled_from([PICTURE, b""]) | st.binary(max_size=64))
PUBLIC = {"GET /healthz", "GET /readyz", "GET /metrics"}


def operations() -> list[Any]:
    """Return every operation that the gateway's document names."""
    how = Settings(jwt_secret=SECRET)  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
    schema = schemathesis.openapi.from_dict(create_app(how).openapi())
    found = [each for each in schema.get_all_operations() if isinstance(each, Ok)]
    return [pytest.param(each.ok(), id=each.ok().label) for each in found]


OPERATIONS = operations()


async def serve(folder: Path, base: Future[str], stop: asyncio.Event) -> None:
    """Run a gateway before a service until told to stop."""
    service = DrivenService(folder / "data", SECRET, worker_slots=1, pool_processes=1)
    await service.start()
    how = Settings(
        http_port=0,
        jwt_secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
        grpc_target=service.target,
        guest_login=True,
        connections_per_minute=0,
        status_polls_per_minute=0,
        uploads_per_minute=0,
        flags_file=folder / "flags.json",
        drain_timeout=timedelta(seconds=5),
    )
    try:
        async with running(service, how) as world:
            for number in range(6):
                task = await service.submit("ann")
                if number % 2 == 0:
                    # To cancel what is cancelled is no error, so that there is always something that can be.
                    await service.cancel(task.task_id)
            base.set_result(f"http://{world.base}")
            await stop.wait()
    finally:
        await service.stop()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway that runs in a thread of its own: schemathesis calls it as any client does."""
    base: Future[str] = Future()
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        stop = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), stop))
        await serve(tmp_path_factory.mktemp("flags"), base, stop)

    thread = threading.Thread(target=asyncio.run, args=[main()], name="gateway")
    thread.start()
    loop, stop = ready.result(PATIENCE)
    try:
        yield base.result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_makes_the_gateway_fail(api: str, operation: Any) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = case.call_and_validate(base_url=api, checks=CHECKS, headers=headers, timeout=PATIENCE)
        statuses[answer.status_code] += 1

    statuses: Counter[int] = Counter()
    ask()
    # Else nothing but refusals would have been tried. A caller with a user's token is no guest.
    assert any(status < 300 for status in statuses) or operation.label == "POST /api/guest-token", statuses


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.id not in PUBLIC])
def test_nobody_gets_anything_with_a_token_that_is_none(api: str, operation: Any) -> None:
    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=api, headers={"Authorization": "Bearer none"}, timeout=PATIENCE)
        assert 400 <= answer.status_code < 500

    ask()
