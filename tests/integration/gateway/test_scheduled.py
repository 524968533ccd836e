"""Scheduled starts over HTTP, from the Python client and from the command line, at a real service."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway.front import Front
from tests.support.api import SECRET, TINY, token
from tests.support.processes import Program
from whitebg import AsyncClient
from whitebg.errors import InvalidRequest

HOUR = timedelta(hours=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def submit(front: Front, **params: str) -> Any:
    files = {"file": ("photo.png", TINY, "image/png")}
    return await front.http.post("/api/v2/tasks", params=params, files=files, headers=front.headers())


async def test_photo_and_version_start_at_their_time(front: Front) -> None:
    at = (datetime.now(UTC) + HOUR).replace(microsecond=0)
    answer = await submit(front, run_at=at.isoformat())
    assert answer.status_code == 202, answer.text
    task = answer.json()
    assert abs(moment(task["run_at"]) - at) < timedelta(seconds=5)
    assert task["status"] == "pending"

    version = await front.http.post(
        f"/api/v2/tasks/{task['task_id']}/versions",
        params={"run_at": (at + HOUR).isoformat()},
        files={"hints": (None, "[]")},
        headers=front.headers(),
    )
    assert version.status_code == 202, version.text
    assert abs(moment(version.json()["run_at"]) - at - HOUR) < timedelta(seconds=5)


async def test_past_time_starts_at_once(front: Front) -> None:
    answer = await submit(front, run_at="2020-01-01T00:00:00Z", wait="60")
    assert (answer.status_code, answer.json()["status"], answer.json()["run_at"]) == (200, "completed", None)


@pytest.mark.parametrize("at", ["tomorrow", "2026-12-01T08:00:00"])
async def test_time_without_a_zone_is_rejected(front: Front, at: str) -> None:
    answer = await submit(front, run_at=at)
    assert answer.status_code == 422
    assert "run_at" in answer.text


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_time_out_of_range_in_utc_is_rejected(front: Front, at: str) -> None:
    answer = await submit(front, run_at=at)
    assert answer.status_code == 422
    assert "out of range" in answer.text


async def test_time_too_far_ahead_is_rejected(front: Front) -> None:
    answer = await submit(front, run_at=(datetime.now(UTC) + timedelta(days=31)).isoformat())
    assert answer.status_code == 422
    assert "more than 30 days ahead" in answer.text


async def test_python_client_schedules(front: Front) -> None:
    at = datetime.now(UTC) + HOUR
    async with AsyncClient(front.target, token=token(front.user)) as client:
        task = await client.submit(TINY, run_at=at)
        again = await client.resubmit(task.task_id, run_at=at)
        (output,) = await client.submit_outputs(TINY, [task.options], run_at=at)
        for each in (task, again, output):
            assert each.run_at is not None
            assert abs(each.run_at - at) < timedelta(seconds=5)
        with pytest.raises(InvalidRequest, match="no time zone"):
            await client.submit(TINY, run_at=at.replace(tzinfo=None))


async def test_command_line_schedules(front: Front, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(TINY)
    command = ["-m", "whitebg", "--target", front.target, "submit", str(photo)]
    options = ["--out", str(tmp_path / "white"), "--at", "1h", "--json"]
    program = await asyncio.to_thread(_program, [*command, *options], token(front.user))
    try:
        async with AsyncClient(front.target, token=token(front.user)) as client:
            tasks = (getattr(event, "task", None) async for event in client.watch(snapshot=True))
            task = await anext(each async for each in tasks if each is not None)
        assert task.run_at is not None
        assert timedelta(minutes=50) < task.run_at - datetime.now(UTC) <= HOUR + timedelta(seconds=5)
    finally:
        await asyncio.to_thread(program.close)


def _program(arguments: list[str], bearer: str) -> Program:
    return Program([sys.executable, "-P", *arguments], {"token": bearer, "jwt_secret": SECRET})
