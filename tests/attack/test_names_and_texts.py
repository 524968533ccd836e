"""Names and texts of users that become paths, entries of a ZIP, headers, cells of spreadsheets, and lines of a log."""

from __future__ import annotations

import csv
import io
import json
import logging
import zipfile
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest

from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.api import Api, open_channel, token
from tests.support.driven_service import PICTURE
from whitebg.v1 import usage_pb2
from whitebg_process.csv_cells import text_cell
from whitebg_process.logs import configure_logs
from whitebg_process.printable import printable
from whitebg_process.usage_table import write_csv
from ws_gateway.telemetry import request_id

PATHS = [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\secret.png",
    "a/../../b.png",
    "....//....//c.png",
    "..",
    ".",
    "%2e%2e%2fd.png",
    "nul\x01byte.png",
    "line\r\nSet-Cookie: a=b.png",
    "\u202egnp.exe",
    "con.png",
    "x" * 300 + ".png",
]
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1+1", "=cmd|' /C calc'!A0"]


async def uploaded(world: GatewayHarness, name: str, user: str = "ann") -> int:
    """Return a completed task whose photo was uploaded under a name."""
    async with open_channel(world.service.target) as channel:
        task = await Api(channel, user, token(user, secret=SECRET)).submit(filename=name)
    await world.service.work(task.task_id)
    await world.service.complete(task.task_id, PICTURE)
    return task.task_id


@pytest.mark.parametrize("pattern", ["{name}", "{market}/{name}", "{sku}/{n}-{name}"])
async def test_zip_slip(world: GatewayHarness, pattern: str) -> None:
    """Photos are named as paths: no entry of the ZIP lies outside of its folder, and no two are the same."""
    tasks = [await uploaded(world, name) for name in PATHS]
    body = {"task_ids": tasks, "name": pattern}
    answer = await world.http.post("/api/v2/tasks/archive", json=body, headers=world.headers("ann"))
    assert answer.status_code == 200, answer.text
    entries = zipfile.ZipFile(io.BytesIO(answer.content)).infolist()
    assert len({each.filename.casefold() for each in entries}) == len(PATHS) + 1
    for entry in entries:
        path = PurePosixPath(entry.filename)
        assert not path.is_absolute()
        assert not {".", ".."} & set(path.parts)
        assert not set('\\:*?"<>|') & set(entry.filename)
        assert printable(entry.filename) == entry.filename
        assert entry.external_attr >> 28 in {0, 8}, "a plain file, no link"
        assert all(len(part.encode()) <= 255 for part in path.parts)


async def test_a_pattern_leads_out_of_the_folder(world: GatewayHarness) -> None:
    """The pattern of names itself is a path to elsewhere: 422."""
    task = await uploaded(world, "cup.png")
    for pattern in ("../{name}", "/{name}", "a/../../{name}"):
        body = {"task_ids": [task], "name": pattern}
        answer = await world.http.post("/api/v2/tasks/archive", json=body, headers=world.headers("ann"))
        assert answer.status_code == 422, pattern


async def test_header_injection(world: GatewayHarness) -> None:
    """A photo's name holds a line break: the download has one Content-Disposition without it, and no other header."""
    task = await uploaded(world, "line\r\nSet-Cookie: a=b.png")
    url = f"/api/v2/tasks/{task}/images/input?download=true"
    answer = await world.http.get(url, headers=world.headers("ann"))
    assert "set-cookie" not in answer.headers
    assert "\r" not in answer.headers["content-disposition"]


@pytest.mark.parametrize("path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/index.html", "a%00b", "..%5cx"])
async def test_path_traversal_of_the_pages_files(world: GatewayHarness, path: str) -> None:
    """A request for a file outside of the page's folder: 404."""
    for prefix in ("/assets/", "/images/1/", "/static-offline-docs/"):
        answer = await world.http.get(f"{prefix}{path}", headers=world.headers("ann"))
        assert answer.status_code in {404, 405, 422}, (prefix, answer.text[:200])


async def test_csv_injection_in_report_csv(world: GatewayHarness) -> None:
    """Photos are named as formulas: every such cell of report.csv begins with an apostrophe."""
    tasks = [await uploaded(world, f"{name}.png") for name in FORMULAS]
    answer = await world.http.post("/api/v2/tasks/archive", json={"task_ids": tasks}, headers=world.headers("ann"))
    text = zipfile.ZipFile(io.BytesIO(answer.content)).read("report.csv").decode("utf-8-sig")
    for line in csv.reader(io.StringIO(text, newline="")):
        assert [text_cell(cell) for cell in line] == line


@pytest.mark.parametrize("name", FORMULAS)
def test_csv_injection_in_usage_csv(name: str) -> None:
    """A user is named as a formula: its cell in usage.csv begins with an apostrophe."""
    file = io.StringIO(newline="")
    write_csv([usage_pb2.DayUsage(day="2026-01-01", user_id=name)], file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert row["user_id"] == f"'{name}"


async def test_log_injection(world: GatewayHarness, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths, request ids, agents and names hold line breaks and JSON: every line of the log stays one JSON object."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logs("INFO", request_id.fields)
        attack = '\n{"level":"ERROR","message":"forged"}\x1b[31m'
        await world.http.get(f"/{quote(attack)}?{quote(attack)}", headers={"X-Request-ID": 'x"}{"message":"forged"}'})
        await world.http.get("/api/v2/tasks", headers=world.headers("ann\u2028b", jti=attack))
        async with world.open_raw(f"?token={quote(attack)}", user_agent_header='x"}{"message":"forged"}') as socket:
            await socket.wait_closed()
    finally:
        root.handlers[:], root.level = handlers, level
    written = capsys.readouterr()
    lines = [line for line in (written.out + written.err).splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert json.loads(line)["message"] != "forged"
        assert "\x1b" not in line
