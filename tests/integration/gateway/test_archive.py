"""ZIP files of results: what is in them, what is reported instead, and what happens when a side leaves."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.driven_service import PICTURE
from tests.support.patience import PATIENCE
from tests.support.store import new_task
from whitebg.cli.connection import Connection
from whitebg.cli.naming import name_pattern
from whitebg.cli.output import console
from whitebg.cli.saving import save_results
from whitebg.tokens import minting
from ws_gateway.upstream.client import ServiceClient


async def done(world: GatewayHarness, filename: str = "cup.png", market: str = "", picture: bytes = PICTURE) -> int:
    """Return a completed task of ann."""
    options = replace(new_task("ann").options, preset=market or "custom")
    task = await world.service.submit("ann", filename=filename, options=options)
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id, picture)
    return task.task_id


async def pack(world: GatewayHarness, task_ids: list[int], user: str = "ann", **fields: Any) -> httpx.Response:
    body = {"task_ids": task_ids} | fields
    return await world.http.post("/api/v2/tasks/archive", json=body, headers=world.headers(user))


def report(archive: zipfile.ZipFile) -> dict[int, dict[str, str]]:
    """Return the lines of the report by task."""
    text = archive.read("report.csv").decode("utf-8-sig")
    return {int(line["task"]): line for line in csv.DictReader(io.StringIO(text, newline=""))}


async def test_archive_has_the_pictures_in_folders_of_their_markets_and_a_report(world: GatewayHarness) -> None:
    first, second = (
        await done(world, "杯 1.jpg", "amazon"),
        await done(world, "shoe.jpg", "taobao", b"another" * 30_000),
    )
    review = {"task_ids": [first], "review": "accepted"}
    await world.http.post("/api/v2/tasks/review", json=review, headers=world.headers())

    answer = await pack(world, [first, second, first])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert 'filename="whitebg.zip"' in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["amazon/杯 1-white.png", "taobao/shoe-white.png", "report.csv"]
    assert archive.read("amazon/杯 1-white.png") == PICTURE
    assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
    lines = report(archive)
    assert (lines[first]["file"], lines[first]["review"], lines[second]["review"]) == (
        "amazon/杯 1-white.png",
        "accepted",
        "open",
    )
    assert {line["problem"] for line in lines.values()} == {""}


async def test_what_can_not_be_read_is_in_the_report_only(world: GatewayHarness) -> None:
    lost, good, gone = await done(world), await done(world), await done(world)
    of_bob = await world.service.submit("bob")
    waiting = await world.service.submit("ann")
    task = await world.service.task(lost)
    assert task.result is not None
    await world.service.delete_image(task.result.blob)
    await world.http.delete(f"/api/v2/tasks/{gone}", headers=world.headers())

    answer = await pack(world, [lost, gone, of_bob.task_id, waiting.task_id, good], name="{name}-{n}")

    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["cup-001.png", "report.csv"]
    lines = report(archive)
    assert [lines[each]["file"] for each in (lost, gone, of_bob.task_id, waiting.task_id)] == [""] * 4
    assert "not in the blob store" in lines[lost]["problem"]
    assert lines[of_bob.task_id]["problem"].replace(str(of_bob.task_id), "") == lines[gone]["problem"].replace(
        str(gone), ""
    ), "another user's task does not exist"
    assert lines[of_bob.task_id]["photo"] == ""
    assert "pending" in lines[waiting.task_id]["problem"]


async def test_names_are_those_of_the_command_line(world: GatewayHarness, tmp_path: Path) -> None:
    photos = ["cup.jpg", "CUP.jpg", "a:b*c.jpg", "..", "n" * 250 + ".jpg", "SKU-9 front.jpg"]
    ids = [await done(world, photo, market) for photo in photos for market in ("amazon", "jd")]
    for number, pattern in enumerate(("{market}/{name}-white", "{sku}_{n}", "all/{name}")):
        answer = await pack(world, ids, name=pattern)
        folder = tmp_path / str(number)
        connection = Connection(world.service.target, minting(SECRET, user="ann", scopes=("tasks",)), "")
        saving = save_results(
            connection, ids, out=folder, pattern=name_pattern(pattern), report=True, force=False, console=console()
        )
        assert await saving
        saved = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert set(archive.namelist()) == saved
        assert archive.read("report.csv") == await asyncio.to_thread((folder / "report.csv").read_bytes)


async def test_client_that_leaves_ends_the_reads(world: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = b"p" * (8 * 1024 * 1024)
    ids = [await done(world, picture=picture) for _ in range(12)]
    read: list[int] = []
    download_image = ServiceClient.download

    def counted(self: ServiceClient, user_id: str, task_id: int, *args: Any, **more: Any) -> Any:
        read.append(task_id)
        return download_image(self, user_id, task_id, *args, **more)

    monkeypatch.setattr(ServiceClient, "download", counted)
    body = {"task_ids": ids}
    async with world.http.stream("POST", "/api/v2/tasks/archive", json=body, headers=world.headers()) as answer:
        await anext(answer.aiter_raw(1024))
    archives = world.server.gateway.archives
    async with asyncio.timeout(PATIENCE), archives.slot("ann"), archives.slot("ann"):
        assert len(read) < len(ids), "both slots of the user are free again, long before the last picture"


async def test_unusable_requests_are_rejected(world: GatewayHarness) -> None:
    unusable: list[dict[str, Any]] = [
        {"name": "{size}"},
        {"name": "/etc/{name}"},
        {"task_ids": []},
        {"task_ids": list(range(1, 1002))},
    ]
    for fields in unusable:
        answer = await pack(world, **{"task_ids": [1]} | fields)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request"), fields
    assert (await world.http.post("/api/v2/tasks/archive", json={"task_ids": [1]})).status_code == 401


async def test_unavailable_service_is_no_empty_archive(world: GatewayHarness) -> None:
    task_id = await done(world)
    await world.service.stop()
    assert (await pack(world, [task_id])).status_code == 503
