"""The rollback switch as seen by clients and operators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import DrivenService
from ws_gateway.settings import Settings


@pytest.fixture
def flags_file(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


@pytest.fixture
async def switchable(service: DrivenService, settings: Settings, flags_file: Path) -> AsyncIterator[GatewayHarness]:
    async with running(service, settings.model_copy(update={"flags_file": flags_file})) as world:
        yield world


def write(path: Path, flags: dict[str, object]) -> None:
    path.write_text(json.dumps(flags))


def written(path: Path) -> object:
    return json.loads(path.read_text()) if path.exists() else None


async def config(world: GatewayHarness, user: str = "ann") -> dict[str, object]:
    answer = await world.http.get("/api/v2/config", headers=world.headers(user))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, object] = answer.json()
    return body


async def test_without_flags_everybody_is_on_the_websocket(world: GatewayHarness) -> None:
    assert await config(world) == {
        "websocket_only": True,
        "transport": "websocket",
        "polling_interval_ms": 10_000,
        "rollout_percent": 100.0,
    }


async def test_nobody_is_told_without_a_token(world: GatewayHarness) -> None:
    assert (await world.http.get("/api/v2/config")).status_code == 401


async def test_the_file_can_be_replaced_while_the_gateway_runs(switchable: GatewayHarness, flags_file: Path) -> None:
    assert (await config(switchable))["transport"] == "websocket"
    write(flags_file, {"rollout_percent": 0, "polling_interval_ms": 7000})
    assert await config(switchable) == {
        "websocket_only": False,
        "transport": "polling",
        "polling_interval_ms": 7000,
        "rollout_percent": 0.0,
    }


async def test_an_operator_can_pull_the_switch(switchable: GatewayHarness, flags_file: Path) -> None:
    admin = switchable.headers("root", scope="admin")
    answer = await switchable.http.put("/admin/flags", headers=admin, json={"rollout_percent": 50})
    assert answer.status_code == 200
    assert answer.json() == {"rollout_percent": 50.0, "polling_interval_ms": 10_000}
    assert written(flags_file) == answer.json()
    assert (await switchable.http.get("/admin/flags", headers=admin)).json() == answer.json()
    transports = {user: (await config(switchable, user))["transport"] for user in map(str, range(20))}
    assert set(transports.values()) == {"websocket", "polling"}
    assert transports == {user: (await config(switchable, user))["transport"] for user in transports}


async def test_only_an_operator_can(switchable: GatewayHarness, flags_file: Path) -> None:
    for method in ("GET", "PUT"):
        headers = switchable.headers("ann", scope="tasks")
        answer = await switchable.http.request(method, "/admin/flags", headers=headers, json={"rollout_percent": 0})
        assert answer.status_code == 403
    assert written(flags_file) is None


async def test_flags_that_make_no_sense_change_nothing(switchable: GatewayHarness, flags_file: Path) -> None:
    admin = switchable.headers("root", scope="admin")
    answer = await switchable.http.put("/admin/flags", headers=admin, json={"rollout_percent": 130})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "body.rollout_percent"
    assert written(flags_file) is None


async def test_without_a_file_the_operator_is_told_what_to_set(world: GatewayHarness) -> None:
    admin = world.headers("root", scope="admin")
    answer = await world.http.put("/admin/flags", headers=admin, json={"rollout_percent": 0})
    assert answer.status_code == 409
    assert "WHITEBG_FLAGS_FILE" in answer.json()["error"]["message"]


async def test_a_folder_that_is_not_there_is_named_as_the_fault(service: DrivenService, settings: Settings) -> None:
    nowhere = settings.model_copy(update={"flags_file": Path("/proc/nowhere/flags.json")})
    async with running(service, nowhere) as world:
        admin = world.headers("root", scope="admin")
        answer = await world.http.put("/admin/flags", headers=admin, json={"rollout_percent": 0})
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "flags_file_not_writable"
