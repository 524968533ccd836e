"""The command line as a process, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
from io import FileIO
from pathlib import Path

import pytest

from generator_service.domain.presets import PRESETS
from generator_service.domain.task import TaskState
from generator_service.domain.task_options import Content, Shadow
from tests.integration.client.conftest import PHOTO, RunCli, names
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "bad.png", "notes.txt"):
        (folder / name).write_bytes(PHOTO)
    return folder


async def _finish(process: asyncio.subprocess.Process, within: float = PATIENCE) -> tuple[str, str]:
    out, err = await asyncio.wait_for(process.communicate(), within)
    return out.decode(), err.decode()


async def test_submit_saves_what_succeeds_and_names_what_fails(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with cli("submit", str(photos), str(photos / "gone.png"), "--out", str(out)) as process:
        stdout, stderr = await _finish(process)
    assert process.returncode == 1, stderr
    assert names(out) == ["a-white.png", "b-white.png"]
    assert f"a.png: saved as {out / 'a-white.png'}" in stdout
    assert "bad.png: the photo was refused" in stdout
    assert "gone.png: no such file" in stdout
    assert "40 %, segmenting" in stdout
    assert "notes.txt" not in stdout


async def test_submit_never_overwrites_unless_told(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("submit", str(photos / "a.png"), "--out", str(out))
    for extra in ((), (), ("--force",)):
        async with cli(*arguments, *extra) as process:
            await _finish(process)
        assert process.returncode == 0
    assert names(out) == ["a-white-2.png", "a-white.png"]


async def test_submit_prints_json_for_programs(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    async with cli("submit", str(photos / "*.png"), "--out", str(tmp_path / "out"), "--json") as process:
        stdout, _ = await _finish(process)
    found = {line["photo"]: line for line in map(json.loads, stdout.splitlines())}
    assert found["a.png"]["ok"] is True
    assert found["a.png"]["result"] == str(tmp_path / "out" / "a-white.png")
    assert (found["bad.png"]["ok"], found["bad.png"]["problem"]) == (False, "the photo was refused")


async def test_a_preset_that_does_not_exist_is_said_once_and_nothing_is_sent(
    cli: RunCli, photos: Path, tmp_path: Path, server: DrivenService
) -> None:
    arguments = (str(photos / "*.png"), "--out", str(tmp_path / "out"), "--preset", "amazon", "--preset", "amazn")
    async with cli("submit", *arguments) as process:
        stdout, stderr = await _finish(process)
    assert process.returncode == 1
    assert stderr.count("no preset 'amazn'") == 1
    assert "google_merchant" in stderr
    assert "a.png" not in stdout + stderr
    assert await server.tasks("local") == []


async def test_submit_waits_for_room_in_the_queue(cli: RunCli, tmp_path: Path, server: DrivenService) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.png").write_bytes(PHOTO)
    await server.stop()
    await server.start(pending_per_user=1)
    async with cli("submit", str(folder), "--out", str(tmp_path / "out")) as process:
        _, stderr = await _finish(process)
    assert process.returncode == 0, stderr
    assert len(names(tmp_path / "out")) == 20
    assert len(await server.tasks("local")) == 20


async def test_submit_outlives_a_restart_of_the_service(cli: RunCli, tmp_path: Path, server: DrivenService) -> None:
    (tmp_path / "slow.png").write_bytes(PHOTO)
    async with cli("submit", str(tmp_path / "slow.png"), "--out", str(tmp_path / "out")) as process:
        assert process.stdout is not None
        while b"segmenting" not in await asyncio.wait_for(process.stdout.readline(), PATIENCE):
            pass
        await server.stop()
        assert b"connection lost" in await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        async with server.unserved():
            await server.complete(1)
        await server.start()
        await _finish(process)
    assert process.returncode == 0
    assert names(tmp_path / "out") == ["slow-white.png"]


async def test_ctrl_c_says_what_becomes_of_the_tasks(cli: RunCli, tmp_path: Path, server: DrivenService) -> None:
    (tmp_path / "slow.png").write_bytes(PHOTO)
    async with cli("submit", str(tmp_path / "slow.png"), "--out", str(tmp_path / "out")) as process:
        assert process.stdout is not None
        while b"segmenting" not in await asyncio.wait_for(process.stdout.readline(), PATIENCE):
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = await _finish(process)
    assert process.returncode == 130
    assert "go on without you: 1" in stderr
    assert "Traceback" not in stderr
    await server.complete(1)
    async with cli("download", "1", "--out", str(tmp_path / "out")) as process:
        await _finish(process)
    assert names(tmp_path / "out") == ["slow-white.png"]


async def test_a_terminal_gets_bars(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        async with cli("submit", str(photos / "a.png"), "--out", str(tmp_path / "out"), stdout=theirs) as process:
            os.close(theirs)
            _, screenful = await asyncio.gather(process.wait(), asyncio.to_thread(_read_screen, screen))
    shown = screenful.decode()
    assert process.returncode == 0
    assert "━" in shown
    assert "all photos" in shown
    assert "a-white.png" in shown


def _read_screen(screen: FileIO) -> bytes:
    shown = b""
    try:
        while chunk := screen.read(65536):
            shown += chunk
    except OSError:
        return shown  # On Linux, the error when the terminal's other end is closed.
    return shown


async def test_list_cancel_and_watch(cli: RunCli, server: DrivenService) -> None:
    await server.submit("local", filename="slow.png")
    await server.reached(1, TaskState.PROCESSING)
    async with cli("watch", "--json") as watching:
        assert watching.stdout is not None
        kinds = [json.loads(await asyncio.wait_for(watching.stdout.readline(), PATIENCE))["kind"] for _ in range(4)]
        assert kinds == ["SnapshotBegin", "SnapshotTask", "SnapshotEnd", "Bookmark"]
        async with cli("cancel", "1", "77") as process:
            stdout, _ = await _finish(process)
        assert process.returncode == 1
        assert "task 1 is cancelled" in stdout
        assert "task 77 does not exist" in stdout
        event = json.loads(await asyncio.wait_for(watching.stdout.readline(), PATIENCE))
        assert (event["kind"], event["type"], event["seq"]) == ("TaskEvent", "cancelled", 3)
        watching.send_signal(signal.SIGINT)
        _, stderr = await _finish(watching)
    assert watching.returncode == 130
    assert "--since e0:3" in stderr
    async with cli("list", "--state", "cancelled", "--json") as process:
        stdout, _ = await _finish(process)
    assert [json.loads(line)["task_id"] for line in stdout.splitlines()] == [1]


async def test_nothing_running_is_said_with_what_to_do(cli: RunCli, server: DrivenService, tmp_path: Path) -> None:
    async with cli("list", connect=False) as process:
        _, stderr = await _finish(process)
    assert process.returncode == 1
    assert "no service found" in stderr
    assert "whitebg up" in stderr
    await server.stop()
    async with cli("list") as process:
        _, stderr = await _finish(process)
    assert f"nothing answers at {server.target}" in stderr
    assert "Traceback" not in stderr


async def test_presets_are_shown_with_their_rules(cli: RunCli) -> None:
    async with cli("presets") as process:
        stdout, _ = await _finish(process)
    assert process.returncode == 0
    assert "amazon" in stdout
    async with cli("presets", "--json") as process:
        stdout, _ = await _finish(process)
    presets = {preset["name"]: preset for preset in map(json.loads, stdout.splitlines())}
    assert presets.keys() == PRESETS.keys()
    assert presets["custom"]["size_px"] is None
    assert presets["amazon"]["rule"] == PRESETS["amazon"].rule


async def test_the_doctor_says_what_is_wrong_by_its_exit_code(cli: RunCli, tmp_path: Path) -> None:
    async with cli("doctor", "--json", "--data-dir", str(tmp_path / "new")) as process:
        stdout, stderr = await _finish(process)
    assert process.returncode == 0, stdout + stderr
    assert {line["subject"] for line in map(json.loads, stdout.splitlines())} >= {"data folder", "database", "local"}
    (tmp_path / "file").write_text("in the way")
    async with cli("doctor", "--data-dir", str(tmp_path / "file" / "folder")) as process:
        stdout, _ = await _finish(process)
    assert process.returncode == 1
    assert "WRONG data folder" in stdout


async def test_options_and_reuse_reach_the_service(
    cli: RunCli, photos: Path, tmp_path: Path, server: DrivenService
) -> None:
    arguments = ("submit", str(photos / "a.png"), "--out", str(tmp_path / "out"), "--reuse")
    wanted = ("--shadow", "contact", "--content", "transparent", "--margin", "0.1")
    async with cli(*arguments, *wanted) as process:
        await _finish(process)
    (task,) = await server.tasks("local")
    assert (task.options.shadow, task.options.content) == (Shadow.CONTACT, Content.TRANSPARENT)
    assert task.options.margin == pytest.approx(0.1)
    async with cli(*arguments, *wanted) as process:
        await _finish(process)
    assert process.returncode == 0
    assert len(await server.tasks("local")) == 1, "the second was answered from the first"


STRANGE = os.fsdecode(b"caf\xe9.png")
"""A file name that is not UTF-8."""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("as_json", [False, True])
async def test_names_and_encodings_of_every_kind_lose_nothing(
    cli: RunCli, tmp_path: Path, encoding: str, as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "\u7167\u7247", tmp_path / "out"
    folder.mkdir()
    for name in (STRANGE, "\u8336\U0001f45f.png", "bad\u00e9.png"):
        (folder / name).write_bytes(PHOTO)
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    async with cli("submit", str(folder), "--out", str(out), *(["--json"] if as_json else [])) as process:
        out_bytes, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1, "one is bad"
    assert b"Traceback" not in out_bytes + err
    assert sorted(names(out)) == sorted([os.fsdecode(b"caf\xe9-white.png"), "\u8336\U0001f45f-white.png"])
    shown = out_bytes.decode(encoding)
    if as_json:
        found = {line["photo"]: line["ok"] for line in map(json.loads, shown.splitlines())}
        assert found == {STRANGE: True, "\u8336\U0001f45f.png": True, "bad\u00e9.png": False}
    else:
        assert "caf\\udce9.png" in shown
        assert ("\u8336\U0001f45f.png" if encoding == "utf-8" else "\\u8336\\U0001f45f.png") in shown
    async with cli("list") as process:
        _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, stderr
    assert b"Traceback" not in stderr


async def test_force_keeps_every_picture_of_equal_names(cli: RunCli, tmp_path: Path) -> None:
    for folder in ("red", "blue", "green"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cap.png").write_bytes(PHOTO)
    photos = [str(tmp_path / folder / "cap.png") for folder in ("red", "blue", "green")]
    for _ in range(2):
        async with cli("submit", *photos, "--out", str(tmp_path / "out"), "--force") as process:
            await _finish(process)
        assert process.returncode == 0
        assert names(tmp_path / "out") == ["cap-white-2.png", "cap-white-3.png", "cap-white.png"]
    async with cli("download", "1", "2", "3", "--out", str(tmp_path / "again"), "--force") as process:
        await _finish(process)
    assert len(names(tmp_path / "again")) == 3
    named = ("--name", "{market}/{sku}-{n}", "--report")
    async with cli("download", "2", "3", "--out", str(tmp_path / "named"), *named) as process:
        await _finish(process)
    assert process.returncode == 0
    assert names(tmp_path / "named") == ["custom", "report.csv"]
    assert names(tmp_path / "named" / "custom") == ["cap-001.png", "cap-002.png"]
    assert len((tmp_path / "named" / "report.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "command",
    [
        ("download", "--out", "out", "99999999999999999999"),
        ("redo", "--out", "out", str(2**63)),
        ("delete", str(2**63)),
        ("cancel", "0"),
        ("review", "accept", "1", str(2**63)),
    ],
)
async def test_id_out_of_range_is_a_usage_error(cli: RunCli, command: tuple[str, ...]) -> None:
    async with cli(*command) as process:
        _, stderr = await _finish(process)
    assert process.returncode == 2
    assert "Invalid value for 'ID...'" in stderr
    assert "Traceback" not in stderr


@pytest.fixture
async def finished(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    """A task 1 whose picture is ready."""
    async with cli("submit", str(photos / "a.png"), "--out", str(tmp_path / "first")) as process:
        await _finish(process)
    assert process.returncode == 0


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (("--out", "{here}/file"), "the folder {here}/file can't be made: File exists"),
        (("--out", "/proc/x"), "the folder /proc/x can't be made: No such file or directory"),
        (("--out", "{here}", "--name", "file/x"), "task 1 can't be saved: {here}/file: File exists"),
        (("--out", "{here}/out", "--report"), "{here}/out/report.csv can't be written: Is a directory"),
    ],
)
async def test_folder_that_can_not_be_written_is_a_line(
    cli: RunCli, tmp_path: Path, extra: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out" / "report.csv").mkdir(parents=True)
    async with cli("download", "1", *(each.replace("{here}", str(tmp_path)) for each in extra)) as process:
        stdout, stderr = await _finish(process)
    assert process.returncode == 1
    assert problem.replace("{here}", str(tmp_path)) in stdout + stderr
    assert "Traceback" not in stderr


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("extra", [(), ("--json",)])
async def test_full_output_is_a_line(cli: RunCli, extra: tuple[str, ...]) -> None:
    with FileIO("/dev/full", "w") as full:
        async with cli("list", *extra, stdout=full.fileno()) as process:
            assert process.stderr is not None
            stderr = (await asyncio.wait_for(process.stderr.read(), PATIENCE)).decode()
            await asyncio.wait_for(process.wait(), PATIENCE)
    assert process.returncode == 1
    assert stderr.startswith("error: ")
    assert "No space left on device" in stderr
    assert "OSError" not in stderr


async def test_refused_cursor_is_not_offered_for_resuming(cli: RunCli) -> None:
    async with cli("watch", "--since", "xyz") as process:
        _, stderr = await _finish(process)
    assert process.returncode == 1
    assert "xyz" in stderr
    assert "resume with" not in stderr


async def test_past_start_is_mentioned_and_jpeg_is_jpg(cli: RunCli, photos: Path, tmp_path: Path) -> None:
    options = ("--out", str(tmp_path / "out"), "--at", "2020-01-01T08:00", "--format", "jpeg")
    async with cli("submit", str(photos / "a.png"), *options) as process:
        _, stderr = await _finish(process)
    assert (process.returncode, stderr.splitlines()[0]) == (
        0,
        "note: 2020-01-01 08:00 of --at is past; the photos start at once",
    )
