"""Operators over HTTP, and usage: a gateway and the command line in front of a real service."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from generator_service.domain.clock import SystemClock
from generator_service.domain.usage import day_of
from tests.integration.gateway.front import Front, Service, gateway
from tests.support.api import SECRET, TINY, token
from tests.support.patience import PATIENCE
from tests.support.processes import environment


def ops() -> dict[str, str]:
    """Headers of an operator; tokens are short-lived, so each request has a new one."""
    return {"Authorization": f"Bearer {token('ops', scope='admin')}"}


@pytest.fixture
async def own_front(tmp_path: Path) -> AsyncIterator[Front]:
    """A gateway in front of a service of its own, whose queue the test may pause and count."""
    service = Service(tmp_path / "data")
    await service.start()
    try:
        async with gateway(service.target) as front:
            yield front
    finally:
        await service.kill()


async def ask(front: Front, method: str, path: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    answer = await front.http.request(method, path, headers=headers or ops(), **fields)
    assert answer.status_code in {200, 204}, answer.text
    return answer.json() if answer.content else None


async def ended(front: Front, user: str) -> None:
    """Wait until no task of a user waits or runs."""
    async with asyncio.timeout(PATIENCE):
        while True:
            page = (await front.http.get("/api/v2/tasks", headers=front.headers(user))).json()
            if all(task["status"] in {"completed", "failed", "cancelled"} for task in page["tasks"]):
                return


async def test_queue_is_paused_and_resumed(own_front: Front) -> None:
    paused = await ask(own_front, "POST", "/api/v2/admin/pause", json={"note": "moving the disks", "seconds": 3600})
    assert (paused["engine"], paused["note"]) == ("auto", "moving the disks")
    task_id = await own_front.upload("ann")

    shown = await ask(own_front, "GET", "/api/v2/admin/queue")
    assert [each["note"] for each in shown["pauses"]] == ["moving the disks"]
    assert shown["pauses"][0]["ends_at"] > shown["pauses"][0]["paused_at"]
    assert shown["tasks"]["pending"] == 1
    found = await ask(own_front, "GET", "/api/v2/admin/tasks", params={"state": "pending", "user_id": "ann"})
    assert [task["task_id"] for task in found["tasks"]] == [task_id]

    await ask(own_front, "POST", "/api/v2/admin/resume", json={})
    await ended(own_front, "ann")
    shown = await ask(own_front, "GET", "/api/v2/admin/queue")
    assert (shown["pauses"], shown["tasks"]) == ([], {"completed": 1})


async def test_a_paused_task_reads_as_waiting_until_it_runs(own_front: Front) -> None:
    await ask(own_front, "POST", "/api/v2/admin/pause", json={"note": "moving the disks"})
    url = f"ws://{own_front.base}/ws/notifications?token={token('ann')}"
    async with asyncio.timeout(PATIENCE), connect(url, subprotocols=[Subprotocol("whitebg.v2")]) as socket:

        async def update() -> dict[str, Any]:
            while "data" not in (message := json.loads(await socket.recv())):
                pass
            data: dict[str, Any] = message["data"]
            return {"durable": "id" in message} | data

        await own_front.upload("ann")
        while (seen := await update())["durable"]:
            assert seen["status"] == "pending"
        assert (seen["status"], seen["wait_reason"], seen["stage"]) == ("pending", "paused", "paused")
        assert "waiting_until" not in seen, "the pause has no end"
        await ask(own_front, "POST", "/api/v2/admin/resume", json={})
        while (seen := await update())["status"] == "pending":
            pass
        assert "wait_reason" not in seen


async def test_pause_and_resumption_are_hinted_to_operators_who_watch_the_queue(own_front: Front) -> None:
    bearer = token("ops", scope="tasks admin")
    url = f"ws://{own_front.base}/ws/notifications?token={bearer}"
    async with asyncio.timeout(PATIENCE), connect(url, subprotocols=[Subprotocol("whitebg.v2")]) as socket:

        async def hinted() -> None:
            while json.loads(await socket.recv())["type"] != "queue_changed":
                pass

        await socket.send('{"type":"watch_queue"}')
        await hinted()  # The first one comes at once, another at the start of the service's worker.
        for _ in range(3):
            await ask(own_front, "POST", "/api/v2/admin/pause", json={})
            await hinted()
            await ask(own_front, "POST", "/api/v2/admin/resume", json={})
            await hinted()


async def test_cancelled_tasks_are_requeued_once(own_front: Front) -> None:
    await ask(own_front, "POST", "/api/v2/admin/pause", json={})
    task_id = await own_front.upload("ann")
    answer = await own_front.http.delete(f"/api/v2/tasks/{task_id}", headers=own_front.headers())
    assert answer.is_success, answer.text
    kept = await own_front.upload("ann")
    cancelled = await own_front.http.post(f"/api/v2/tasks/{kept}/cancel", headers=own_front.headers())
    assert cancelled.is_success, cancelled.text
    wanted = {"filter": {"states": ["cancelled"], "user_id": "ann", "error_codes": ["cancelled"]}}

    assert (await ask(own_front, "POST", "/api/v2/admin/requeue", json=wanted))["total"] == 1
    first = await ask(own_front, "POST", "/api/v2/admin/requeue", json=wanted | {"dry_run": False})
    again = await ask(own_front, "POST", "/api/v2/admin/requeue", json=wanted | {"dry_run": False})

    assert [task["source_task_id"] for task in first["tasks"]] == [kept]
    assert [task["task_id"] for task in again["tasks"]] == [task["task_id"] for task in first["tasks"]]


async def test_usage_is_returned_as_json_and_csv_to_its_user_and_to_operators(own_front: Front) -> None:
    await own_front.upload("ann")
    await own_front.upload("ann")
    await own_front.upload("=bob")
    await ended(own_front, "ann")
    await ended(own_front, "=bob")

    (own,) = (await ask(own_front, "GET", "/api/v2/usage", own_front.headers("ann")))["usage"]
    assert (own["user_id"], own["photos"], own["results"]) == ("ann", 2, 2)
    assert own["day"] == day_of(SystemClock().now()).isoformat()
    assert own["bytes_in"] == 2 * len(TINY)
    assert own["bytes_out"] > 0
    assert own["local_seconds"] > 0
    assert (own["gemini_calls"], own["gemini_seconds"]) == (0, 0)

    first = await ask(own_front, "GET", "/api/v2/admin/usage", params={"limit": 1})
    rest = await ask(own_front, "GET", "/api/v2/admin/usage", params={"page_token": first["next_page_token"]})
    assert [each["user_id"] for each in first["usage"] + rest["usage"]] == ["=bob", "ann"]
    assert rest["usage"] == [own]
    text = (await own_front.http.get("/api/v2/admin/usage", params={"format": "csv"}, headers=ops())).text
    bob, ann = csv.DictReader(io.StringIO(text))
    assert bob["user_id"] == "'=bob", "a spreadsheet would take the name for a formula"
    assert {name: str(value) for name, value in own.items()} == ann
    text = (await own_front.http.get("/api/v2/usage", params={"format": "csv"}, headers=own_front.headers("ann"))).text
    assert list(csv.DictReader(io.StringIO(text))) == [ann]

    shown = await asyncio.to_thread(cli, own_front, "usage", "--json", bearer=token("ann"))
    assert json.loads(shown) == own
    shown = await asyncio.to_thread(
        cli, own_front, "admin", "usage", "--of", "ann", "--csv", "-", bearer=token("ops", scope="admin")
    )
    assert list(csv.DictReader(io.StringIO(shown))) == [ann]


async def test_overview_and_users_show_the_queue(own_front: Front) -> None:
    await own_front.upload("ann")
    await ended(own_front, "ann")
    await ask(own_front, "POST", "/api/v2/admin/pause", json={})
    await own_front.upload("bob")

    shown = await ask(own_front, "GET", "/api/v2/admin/overview")
    engines = {each["engine"]: each for each in shown["engines"]}
    assert sum(each["pending"] for each in engines.values()) == 1
    assert sum(each["completed"] for each in engines.values()) == 1
    assert max(each["oldest_pending_seconds"] for each in engines.values()) > 0
    assert (shown["failures"], shown["sockets"]) == ([], {"open": 0, "users": 0})
    (worker,) = shown["workers"]
    assert worker["slots"] > 0
    assert (worker["tasks"], worker["version"], worker["engines"]) == ([], version("whitebg-server"), ["local"])
    assert shown["flags"] == {"rollout_percent": 100.0, "polling_interval_ms": 10_000}
    settings = {(each["process"], each["name"]): each for each in shown["settings"]}
    assert settings["service", "WHITEBG_WORKER_SLOTS"]["value"] == str(worker["slots"])
    for process in ("service", "gateway"):
        secret = {"process": process, "name": "WHITEBG_JWT_SECRET", "value": "(secret)", "changed": True}
        assert settings[process, "WHITEBG_JWT_SECRET"] == secret
    assert SECRET not in json.dumps(shown)

    first = await ask(own_front, "GET", "/api/v2/admin/users", params={"limit": 1})
    rest = await ask(own_front, "GET", "/api/v2/admin/users", params={"page_token": first["next_page_token"]})
    ann, bob = first["users"] + rest["users"]
    assert (ann["user_id"], ann["pending"], bob["user_id"], bob["pending"]) == ("ann", 0, "bob", 1)
    assert bob["stored_bytes"] == len(TINY)
    assert ann["max_pending"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v2/admin/queue"),
        ("GET", "/api/v2/admin/overview"),
        ("GET", "/api/v2/admin/users"),
        ("GET", "/api/v2/admin/tasks"),
        ("GET", "/api/v2/admin/usage"),
        ("POST", "/api/v2/admin/pause"),
        ("POST", "/api/v2/admin/resume"),
        ("POST", "/api/v2/admin/requeue"),
    ],
)
async def test_operators_routes_need_the_scope(front: Front, method: str, path: str) -> None:
    fields: dict[str, Any] = {"json": {}} if method == "POST" else {}
    assert (await front.http.request(method, path, **fields)).status_code == 401
    refused = await front.http.request(method, path, headers=front.headers("ann"), **fields)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"from": "yesterday"}, "YYYY-MM-DD"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "before"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "1000 days"),
    ],
)
async def test_a_bad_period_is_rejected(front: Front, params: dict[str, str], problem: str) -> None:
    answer = await front.http.get("/api/v2/usage", params=params, headers=front.headers("ann"))
    assert answer.status_code == 422
    assert problem in answer.text


def cli(front: Front, *words: str, bearer: str) -> str:
    command = [sys.executable, "-P", "-m", "whitebg", "--target", front.target, *words]
    settings = environment(token=bearer, jwt_secret=SECRET)
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
