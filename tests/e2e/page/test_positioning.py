"""A product is turned, scaled, moved and cropped on the page, and the result is what the preview showed."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS
from tests.e2e.page.visitor import Visitor

pytestmark = pytest.mark.timeout(300)

MINUTES = 180.0
Box = tuple[float, float, float, float]
PREVIEW = """(canvas) => {
    const {width, height} = canvas;
    // A copy: a canvas of the page that is read often would be moved to the CPU, with a warning.
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(0, 0, width, height);
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let at = 0; at < width * height; at += 1) {
        if (data[4 * at + 3] < 128) continue;
        const [x, y] = [at % width, Math.floor(at / width)];
        [left, top] = [Math.min(left, x), Math.min(top, y)];
        [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
    }
    return [left / width, top / height, right / width, bottom / height];
}"""


def test_the_result_is_where_the_preview_showed_it(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done", within=MINUTES)
    uploads = ann.uploads
    page.get_by_role("button", name="Compare: pink-cap.jpg").first.click()
    dialog = page.get_by_role("dialog")
    page.keyboard.press("p")
    frame = dialog.locator(".position-frame canvas")
    expect(frame).to_be_visible()
    send = dialog.get_by_role("button", name="Make new version")
    expect(send).to_be_disabled()
    assert ann.barriers() == []
    (automatic,) = results(ann)
    assert preview(frame) == pytest.approx(box_of(automatic), abs=0.012)

    dialog.get_by_role("button", name="Turn right by 90°").click()
    size = dialog.get_by_role("slider", name="Size")
    size.press("Home")
    for _ in range(50):
        size.press("ArrowRight")
    page.mouse.move(*middle_of(ann, frame))
    page.mouse.down()
    (stage,) = ann.boxes(frame)
    page.mouse.move(stage["x"] + 0.6 * stage["width"], stage["y"] + 0.4 * stage["height"], steps=5)
    page.mouse.up()
    dialog.get_by_text("Crop", exact=True).click()
    photo = dialog.locator(".position-photo")
    (whole,) = ann.boxes(photo)
    page.mouse.move(whole["x"] + 8, whole["y"] + 8)
    page.mouse.down()
    page.mouse.move(whole["x"] + 0.6 * whole["width"], whole["y"] + whole["height"], steps=5)
    page.mouse.up()
    assert ann.barriers() == []
    dialog.get_by_text("Position", exact=True).click()
    shown = preview(frame)
    ann.picture("31-position")
    send.click()

    versions = dialog.get_by_role("group", name="Versions")
    expect(versions.get_by_role("button", name="Version 1")).to_be_visible(timeout=MINUTES * 1000)
    assert ann.uploads == uploads == 1, "the photo is not uploaded again"
    latest, _ = results(ann)
    assert shown == pytest.approx(box_of(latest), abs=0.012)
    (task, _) = tasks(ann)
    assert (task["options"]["rotation"], task["options"]["scale"]) == (90, 0.7)
    assert task["options"]["crop"]["right"] == pytest.approx(0.6, abs=0.01)
    checks = {check["name"]: check for check in task["result"]["report"]["checks"]}
    assert (checks["fill"]["verdict"], checks["centring"]["verdict"]) == ("passed", "warned")
    # The photo lies under the turned result, and the checkered backdrop ends where the product does.
    before = dialog.locator(".viewer-photo img")
    assert "matrix" in before.evaluate("(image) => getComputedStyle(image).transform")
    dialog.get_by_text("Checkered", exact=True).click()
    expect(dialog.locator(".viewer-masked img")).to_be_visible()
    ann.picture("32-turned-on-checks")

    # The next change starts from this position.
    dialog.get_by_role("button", name="Position").click()
    expect(frame).to_be_visible()
    assert preview(frame) == pytest.approx(shown, abs=0.002)
    dialog.get_by_role("button", name="Back to automatic").click()
    assert preview(frame) == pytest.approx(box_of(automatic), abs=0.012)


def preview(canvas: Locator) -> Box:
    box: Any = canvas.evaluate(PREVIEW)
    return tuple(box)


def middle_of(visitor: Visitor, element: Locator) -> tuple[float, float]:
    (box,) = visitor.boxes(element)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tasks(visitor: Visitor) -> list[dict[str, Any]]:
    """Return the guest's tasks, newest first."""
    answer = httpx.get(f"{visitor.url}/api/v2/tasks", headers=_headers(visitor), timeout=30)
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


def results(visitor: Visitor) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Return the guest's results, newest first."""
    paths = [f"{visitor.url}/images/{task['task_id']}/result" for task in tasks(visitor)]
    files = [httpx.get(path, headers=_headers(visitor), timeout=30) for path in paths]
    return [np.asarray(Image.open(io.BytesIO(file.content)).convert("RGB")) for file in files]


def box_of(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Box:
    """Return left, top, right and bottom of the product, in shares of the picture."""
    rows, columns = np.nonzero((picture < 235).any(axis=2))
    height, width = picture.shape[:2]
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


def _headers(visitor: Visitor) -> dict[str, str]:
    session = json.loads(visitor.page.evaluate("localStorage['whitebg.session']"))
    return {"Authorization": f"Bearer {session['token']}"}
