"""Masks, hints and new versions of a result, with both clients and the command line."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from tests.integration.client.conftest import PHOTO, QUICK, RunCli, names, token
from tests.support.driven_service import MASK, DrivenService
from tests.support.patience import PATIENCE
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.files import MAX_MASK_BYTES
from whitebg.sync import Client

HINTS = (
    models.Hint(kind=models.HintKind.KEEP, region=models.Region(left=0.1, top=0.2, right=0.5, bottom=0.75)),
    models.Hint(kind=models.HintKind.DROP, region=models.Region(left=0.0, top=0.0, right=1.0, bottom=0.25)),
)
DRAWN = PHOTO
"""Any picture of the photo's size is accepted as a mask until it is decoded."""


async def test_mask_and_hints_go_with_the_photo(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(DRAWN)
    for mask in (DRAWN, path, str(path), io.BytesIO(DRAWN)):
        task = await client.submit(PHOTO, models.TaskOptions(hints=HINTS), filename="cup.png", mask=mask)
        assert (task.input.has_mask, task.options.hints, task.source_task_id) == (True, HINTS, None)
    assert not (await client.submit(PHOTO)).input.has_mask


async def test_a_version_takes_photo_and_mask_of_the_earlier_task(client: AsyncClient) -> None:
    first = await client.submit(PHOTO, models.TaskOptions(preset="amazon"), filename="cup.png", mask=DRAWN)

    version = await client.resubmit(first.task_id, models.TaskOptions(preset="jd", hints=HINTS))
    assert (version.source_task_id, version.input.filename) == (first.task_id, "cup.png")
    assert (version.options.preset, version.options.hints, version.input.has_mask) == ("jd", HINTS, True)
    assert not (await client.resubmit(first.task_id, drop_mask=True)).input.has_mask

    plain = await client.submit(PHOTO)
    assert (await client.resubmit(plain.task_id, mask=DRAWN)).input.has_mask
    done = await client.wait(plain.task_id, timeout=PATIENCE)
    assert (await client.resubmit(plain.task_id, reuse=True)).task_id == done.task_id


async def test_the_mask_of_a_result_can_be_fetched(client: AsyncClient, tmp_path: Path) -> None:
    task = await client.wait((await client.submit(PHOTO, filename="cup.png")).task_id, timeout=PATIENCE)
    assert task.result is not None
    assert task.result.mask_size_bytes == len(MASK)
    image = await client.read_image(task.task_id, models.ImageKind.MASK)
    assert (image.data, image.filename, image.content_type) == (MASK, "cup-mask.png", "image/png")


async def test_a_mask_that_can_not_be_used_is_an_error_of_its_field(client: AsyncClient, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(MAX_MASK_BYTES + 1)
    empty = tmp_path / "empty.png"
    empty.touch()
    for mask, reason in ((large, "MASK_TOO_LARGE"), (empty, "MASK_EMPTY"), (b"none", "MASK_NOT_RECOGNISED")):
        with pytest.raises(errors.InvalidRequest) as caught:
            await client.submit(PHOTO, mask=mask)
        assert (caught.value.reason, [each.field for each in caught.value.violations]) == (reason, ["mask"])
    with pytest.raises(TypeError, match="a mask is bytes"):
        await client.submit(PHOTO, mask=3)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(FileNotFoundError):
        await client.resubmit(1, mask=tmp_path / "gone.png")
    with pytest.raises(errors.NotFound):
        await client.resubmit(999, mask=DRAWN)


async def test_the_blocking_client_has_them_too(server: DrivenService) -> None:
    def use() -> None:
        with Client(server.target, token(), backoff=QUICK) as client:
            task = client.submit(PHOTO, models.TaskOptions(hints=HINTS), mask=DRAWN)
            assert client.resubmit(task.task_id, mask=DRAWN, drop_mask=True).source_task_id == task.task_id
            client.wait(task.task_id, timeout=PATIENCE)
            assert client.read_image(task.task_id, models.ImageKind.MASK).data == MASK

    await asyncio.to_thread(use)


async def run(cli: RunCli, *arguments: str) -> tuple[int, str, str]:
    async with cli(*arguments) as process:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def listed(cli: RunCli) -> list[dict[str, object]]:
    """Return all tasks, the oldest first."""
    code, out, err = await run(cli, "list", "--json")
    assert code == 0, err
    return [json.loads(line) for line in reversed(out.splitlines())]


async def test_the_command_line_submits_with_a_mask_and_makes_versions(cli: RunCli, tmp_path: Path) -> None:
    photo, mask, out = tmp_path / "cup.png", tmp_path / "drawn.png", tmp_path / "out"
    photo.write_bytes(PHOTO)
    mask.write_bytes(DRAWN)
    submitted = ("submit", str(photo), "--out", str(out), "--preset", "amazon", "--mask", str(mask))
    code, _, err = await run(cli, *submitted, "--keep", "0.1,0.2,0.5,0.75", "--drop", "0,0,1,0.25")
    assert code == 0, err
    code, _, err = await run(cli, "redo", "1", "--out", str(out), "--size", "1200")
    assert code == 0, err
    code, _, err = await run(cli, "redo", "1", "2", "--out", str(out), "--preset", "jd", "--no-mask")
    assert code == 0, err

    first, version, *others = await listed(cli)
    hints = [
        {"kind": "keep", "region": {"left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.75}},
        {"kind": "drop", "region": {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 0.25}},
    ]
    assert first["options"]["hints"] == version["options"]["hints"] == hints  # type: ignore[index]
    assert (version["source_task_id"], version["input"]["has_mask"]) == (1, True)  # type: ignore[index]
    # Unspecified options stay unchanged.
    assert (version["options"]["preset"], version["options"]["size_px"]) == ("amazon", 1200)  # type: ignore[index]
    assert {(each["source_task_id"], each["options"]["preset"], each["input"]["has_mask"]) for each in others} == {  # type: ignore[index]
        (1, "jd", False),
        (2, "jd", False),
    }
    assert names(out) == ["cup-white-2.png", "cup-white-3.png", "cup-white-4.png", "cup-white.png"]

    code, stdout, err = await run(cli, "download", "1", "--image", "mask", "--out", str(out))
    assert code == 0, err
    assert stdout.strip() == str(out / "cup-mask.png")
    assert (out / "cup-mask.png").read_bytes() == MASK


async def test_a_position_by_hand_is_named_on_the_command_line(cli: RunCli, tmp_path: Path) -> None:
    photo, out = tmp_path / "cup.png", ("--out", str(tmp_path / "out"))
    photo.write_bytes(PHOTO)
    code, _, err = await run(cli, "submit", str(photo), *out, "--rotate", "-90", "--crop", "0,0.25,0.5,1")
    assert code == 0, err
    code, _, err = await run(cli, "redo", "1", *out, "--move", "0.1,-0.2", "--scale", "1.5")
    assert code == 0, err
    position = ("rotation", "move_x", "move_y", "scale")
    first, version = await listed(cli)
    assert [first["options"][name] for name in position] == [-90.0, 0.0, 0.0, 1.0]  # type: ignore[index]
    assert [version["options"][name] for name in position] == [-90.0, 0.1, -0.2, 1.5]  # type: ignore[index]
    assert version["options"]["crop"] == {"left": 0.0, "top": 0.25, "right": 0.5, "bottom": 1.0}  # type: ignore[index]
    code, _, err = await run(cli, "redo", "1", *out, "--move", "left")
    assert code == 2
    assert "write two numbers from -0.5 to 0.5" in " ".join(err.replace("│", " ").split())


async def test_a_named_option_replaces_the_earlier_ones_that_it_excludes(cli: RunCli, tmp_path: Path) -> None:
    photo, out = tmp_path / "cup.png", ("--out", str(tmp_path / "out"))
    photo.write_bytes(PHOTO)
    looks = ("--fill", "0.8", "--background", "#EEEEEE", "--shadow", "contact")
    code, _, err = await run(cli, "submit", str(photo), *out, *looks)
    assert code == 0, err
    for changes in (("--margin", "0.2"), ("--fill", "0.7"), ("--content", "mask")):
        code, stdout, err = await run(cli, "redo", str(len(await listed(cli))), *out, *changes)
        assert code == 0, stdout + err

    kept = {"background": "#EEEEEE", "shadow": "contact", "content": "picture"}
    assert [{name: each["options"][name] for name in ("fill", "margin", *kept)} for each in await listed(cli)] == [  # type: ignore[index]
        {"fill": 0.8, "margin": None, **kept},
        {"fill": None, "margin": 0.2, **kept},
        {"fill": 0.7, "margin": None, **kept},
        {"fill": 0.7, "margin": None, "background": None, "shadow": "none", "content": "mask"},
    ]


async def test_what_the_command_line_can_not_do_is_said(cli: RunCli, tmp_path: Path) -> None:
    photos = [tmp_path / name for name in ("a.png", "b.png")]
    for photo in photos:
        photo.write_bytes(PHOTO)
    out = ("--out", str(tmp_path / "out"))
    a, b = map(str, photos)
    for arguments, expected in (
        (("submit", a, b, *out, "--mask", a), "one mask can't be used for 2 photos"),
        (("submit", a, *out, "--keep", "0.1,0.2"), "is not a region"),
        (("submit", a, *out, "--drop", "0.5,0,0.4,1"), "is no region"),
        (("submit", a, *out, "--mask", str(tmp_path / "gone.png")), "No such file"),
        (("redo", "1", *out, "--mask", a, "--no-mask"), "exclude each other"),
        (("redo", "99", *out), "task 99 does not exist"),
    ):
        code, stdout, stderr = await run(cli, *arguments)
        assert code != 0
        assert expected in (stdout + stderr).replace("\n", " "), stdout + stderr
