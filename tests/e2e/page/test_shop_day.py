"""A shop's day: photos go from drop to accepted ZIP by keyboard alone; a wrong cut-out is corrected with the brush."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import Stack
from tests.e2e.page.test_positioning import results, tasks
from tests.e2e.page.test_review import parts, stroke, two_parts
from tests.e2e.page.visitor import Visitor, jpeg
from tests.support.photos import product_photo

pytestmark = pytest.mark.timeout(300)

MINUTES = 240.0
REJECTED = 3
"""Every photo of this number is rejected."""


def test_photos_go_from_drop_to_an_accepted_zip_by_keyboard_alone_over_a_crash(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    photos = [jpeg(f"shot-{n}.jpg", product_photo(300, 225, "JPEG", "#d8dbe0", shift=0.01 * (n - 4))) for n in range(8)]
    names = drop_to_accepted_zip(ann, stack, photos)
    assert names == {f"shot-{n}-white.png" for n in range(8)} - set(names_of_rejected(ann))
    (batch,) = {task["batch_id"] for task in tasks(ann)}
    answer = httpx.get(f"{ann.url}/api/v2/batches/{batch}", headers=authorization(ann), timeout=30)
    assert (answer.json()["closed"], answer.json()["total"]) == (True, 8)
    assert answer.json()["finished_at"] is not None


def test_a_wrong_cut_out_is_corrected_with_the_brush_over_a_crash(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([{"name": "lamp.png", "mimeType": "image/png", "buffer": two_parts()}])
    ann.sees(1, "done")
    correct_with_brush(ann, stack, (0.85, 0.3), (0.85, 0.7))
    latest, first = results(ann)
    assert (parts(first), parts(latest)) == (2, 1)
    (_, earlier) = tasks(ann)
    assert earlier["status"] == "completed"


def drop_to_accepted_zip(ann: Visitor, stack: Stack, photos: Sequence[FilePayload]) -> set[str]:
    """Add photos, review each of them and save the accepted ones, with the keyboard only; return the names in the ZIP.

    The service is killed once half of the photos are made.
    """
    page = ann.page
    keys = page.keyboard
    # Choosers are intercepted from the first listener on; a key could overtake the one of `expect_file_chooser`.
    page.on("filechooser", lambda _: None)
    tab_to(ann, "Choose photos")
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(list(photos))
    page.wait_for_function(COUNT_DONE, arg=len(photos) // 2, timeout=MINUTES * 1000)
    stack.kill_service()
    ann.sees_connection("Server unavailable")
    stack.start_service()
    ann.counts("In progress", 0, within=MINUTES)

    keys.press("j")
    keys.press("Enter")
    dialog = page.get_by_role("dialog")
    for number in range(1, len(photos) + 1):
        expect(dialog.locator(".dialog-facts")).to_contain_text(f"{number} / {len(photos)}")
        keys.press("r" if number % REJECTED == 0 else "a")
    rejected = len(photos) // REJECTED
    keys.press("Escape")
    page.wait_for_function("() => document.activeElement.matches('.card-picture')")
    ann.counts("Accepted", len(photos) - rejected)
    ann.counts("Rejected", rejected)
    tab_to(ann, f"Download {len(photos) - rejected} accepted", backwards=True)
    keys.press("Enter")
    tab_to(ann, "Download ZIP")
    with page.expect_download(timeout=MINUTES * 1000) as saved:
        keys.press("Enter")
    with zipfile.ZipFile(Path(saved.value.path())) as archive:
        assert archive.testzip() is None
        return set(archive.namelist()) - {"report.csv"}


def correct_with_brush(ann: Visitor, stack: Stack, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Erase a part of the only photo's cut-out with one stroke, and wait for the new version.

    The service is killed when the mask is sent.
    """
    page = ann.page
    page.locator(".card-picture").first.click()
    dialog = page.get_by_role("dialog")
    page.keyboard.press("e")
    stage = dialog.locator(".touchup-stage")
    expect(stage).to_be_visible()
    dialog.get_by_role("slider", name="Brush size").press("End")
    stroke(ann, stage, start, end)
    stack.kill_service()
    dialog.get_by_role("button", name="Make new version").click()
    stack.start_service()
    versions = dialog.get_by_role("group", name="Versions")
    expect(versions.get_by_role("button", name="Version 1")).to_be_visible(timeout=MINUTES * 1000)


COUNT_DONE = """(least) => {
    const text = document.querySelector(".batch-words")?.textContent ?? "";
    return Number(/\\d+/.exec(text)?.[0] ?? 0) >= least;
}"""
FOCUSED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"


def tab_to(visitor: Visitor, name: str, *, backwards: bool = False) -> None:
    """Press Tab until a control has the focus."""
    for _ in range(40):
        if visitor.page.evaluate(FOCUSED) == name:
            return
        visitor.page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"Tab does not reach {name!r}")


def names_of_rejected(visitor: Visitor) -> list[str]:
    """Return the names that the rejected results would have in the ZIP."""
    rejected = [task["filename"] for task in tasks(visitor) if task["review"] == "rejected"]
    assert len(rejected) == len(tasks(visitor)) // REJECTED
    return [name.replace(".jpg", "-white.png") for name in rejected]


def authorization(visitor: Visitor) -> dict[str, str]:
    session: Any = visitor.page.evaluate("JSON.parse(localStorage['whitebg.session'])")
    return {"Authorization": f"Bearer {session['token']}"}
