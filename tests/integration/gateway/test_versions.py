"""Masks, hints and new versions of a result over HTTP, with a real service and real engines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.integration.gateway.front import Front
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo

PHOTO = product_photo(160, 120)
QUICK = {"engine": "local", "size_px": "100"}


def mask_file(size: tuple[int, int] = (160, 120)) -> bytes:
    """Draw the left half of a photo as its product."""
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=255)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def hints(*each: tuple[str, float, float, float, float]) -> str:
    named = [(kind, dict(zip(("left", "top", "right", "bottom"), edges, strict=True))) for kind, *edges in each]
    return json.dumps([{"kind": kind, "region": region} for kind, region in named])


class Editor:
    """A user who submits photos and corrects their results."""

    def __init__(self, front: Front, user: str = "") -> None:
        self.front = front
        self.headers = front.headers(user)

    async def process(self, *, mask: bytes | None = None, **options: str) -> dict[str, Any]:
        files = {"file": ("cup.png", PHOTO, "image/png")} | mask_part(mask)
        answer = await self.front.http.post(
            "/api/v2/tasks?wait=60", files=files, data=QUICK | options, headers=self.headers, timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()
        assert task["state"] == "completed", task
        return task

    async def version(self, task_id: int, *, mask: bytes | None = None, query: str = "", **form: str) -> httpx.Response:
        # Without a file httpx would send another kind of form.
        fields: Iterator[tuple[str, Any]] = ((name, (None, value)) for name, value in (QUICK | form).items())
        return await self.front.http.post(
            f"/api/v2/tasks/{task_id}/versions{query}", files=dict(fields) | mask_part(mask), headers=self.headers
        )

    async def made(self, answer: httpx.Response) -> dict[str, Any]:
        """Wait for the end of a version's task; return the task."""
        assert answer.status_code == 202, answer.text
        async with self.front.client() as client:
            task_id = answer.json()["task_id"]
            await client.until(lambda message: message.get("task_id") == task_id and ends(message))
        task: dict[str, Any] = (await self.front.http.get(f"/api/v2/tasks/{task_id}", headers=self.headers)).json()
        assert task["state"] == "completed", task
        return task

    async def mask_of(self, task: dict[str, Any]) -> NDArray[np.uint8]:
        answer = await self.front.http.get(task["mask_url"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert "cup-mask.png" in answer.headers["content-disposition"]
        with Image.open(io.BytesIO(answer.content)) as image:
            return np.asarray(image, np.uint8)


def mask_part(mask: bytes | None) -> dict[str, Any]:
    return {} if mask is None else {"mask": ("mask.png", mask, "image/png")}


def ends(message: dict[str, Any]) -> bool:
    return message["type"] in {"task_complete", "task_failed"}


async def test_a_photo_with_its_mask_and_a_new_version_of_it(front: Front) -> None:
    editor = Editor(front)
    task = await editor.process(mask=mask_file())
    assert task["input"]["has_mask"]
    assert task["result"]["confidence"] is None
    assert task["source_task_id"] is None
    alpha = await editor.mask_of(task)
    assert alpha[:, :76].all()
    assert not alpha[:, 84:].any()

    answer = await editor.version(
        task["task_id"], query="?drop_mask=true", size_px="120", format="jpeg", hints=hints(("drop", 0, 0, 1, 0.5))
    )
    version = await editor.made(answer)
    assert answer.headers["location"] == f"/api/v2/tasks/{version['task_id']}"
    assert version["source_task_id"] == task["task_id"]
    assert (version["filename"], version["result"]["width"]) == ("cup.png", 120)
    assert version["result"]["content_type"] == "image/jpeg"
    assert not version["input"]["has_mask"]
    assert version["options"]["hints"] == json.loads(hints(("drop", 0, 0, 1, 0.5)))
    dropped = await editor.mask_of(version)
    assert not dropped[:60].any()
    assert dropped[60:, 80:].any()

    kept = await editor.made(await editor.version(task["task_id"]))
    assert kept["input"]["has_mask"], "the mask stays unless another or none is asked for"
    again = await front.http.post(f"/api/v2/tasks/{task['task_id']}/retry", headers=editor.headers)
    assert again.json()["input"]["has_mask"]


async def test_a_version_is_idempotent_and_can_be_reused(front: Front) -> None:
    editor = Editor(front)
    task = await editor.process()
    editor.headers["Idempotency-Key"] = "version-1"
    first = await editor.version(task["task_id"], mask=mask_file())
    again = await editor.version(task["task_id"], mask=mask_file())
    assert again.json()["task_id"] == first.json()["task_id"] != task["task_id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = await editor.version(task["task_id"], mask=mask_file((320, 240)))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")

    del editor.headers["Idempotency-Key"]
    reused = await editor.version(task["task_id"], query="?reuse=true")
    assert (reused.json()["task_id"], reused.headers["result-reused"]) == (task["task_id"], "true")


async def test_what_can_not_be_used_is_rejected_with_its_reason(front: Front) -> None:
    editor = Editor(front)
    task_id = await front.upload()
    for status, code, answer in (
        (404, "task_not_found", await editor.version(999)),
        (404, "task_not_found", await Editor(front, "bob").version(task_id)),
        (422, "mask_mismatch", await editor.version(task_id, mask=mask_file((100, 100)))),
        (415, "mask_not_recognised", await editor.version(task_id, mask=b"no picture")),
        (413, "mask_too_large", await editor.version(task_id, mask=bytes(8 * 2**20 + 1))),
        (422, "mask_empty", await editor.version(task_id, mask=b"")),
        (422, "invalid_request", await editor.version(task_id, hints="no json")),
        (422, "invalid_request", await editor.version(task_id, hints='[{"kind": "paint"}]')),
        (422, "invalid_request", await editor.version(task_id, hints=hints(("keep", 0.5, 0, 0.4, 1)))),
        (422, "invalid_request", await editor.version(task_id, mask=mask_file((64, 48)), engine="gemini")),
        (422, "invalid_request", await editor.version(task_id, colour="red")),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    with_photo = await front.http.post(
        f"/api/v2/tasks/{task_id}/versions", files={"file": ("a.png", PHOTO, "image/png")}, headers=editor.headers
    )
    assert (with_photo.status_code, with_photo.json()["error"]["code"]) == (400, "file_unexpected")
    form = await front.http.post(f"/api/v2/tasks/{task_id}/versions", data=QUICK, headers=editor.headers)
    assert (form.status_code, form.json()["error"]["code"]) == (415, "not_a_form")
    assert "file" not in form.json()["error"]["message"], "a version takes no photo"
    huge = await front.http.post(f"/api/v2/tasks/{task_id}/versions", content=bytes(9 * 2**20), headers=editor.headers)
    assert huge.status_code == 413
    large_mask = {"file": ("a.png", PHOTO, "image/png"), "mask": ("m.png", bytes(8 * 2**20 + 1), "image/png")}
    answer = await front.http.post("/api/v2/tasks", files=large_mask, headers=editor.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "mask_too_large")
