"""The daily work of a shop on the page: filter, review by keyboard, correct, make again, delete, download."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import Visitor, jpeg, png
from tests.support.api import token
from tests.support.photos import cut_out

pytestmark = pytest.mark.timeout(300)

MINUTES = 180.0
NOTES = jpeg("notes.jpg", b"not a photo")


def small(name: str, product: str = "#b3261e") -> FilePayload:
    return png(name, cut_out(300, 225, product=product))


def focused(visitor: Visitor) -> str | None:
    label: str | None = visitor.page.evaluate("document.activeElement?.getAttribute('aria-label')")
    return label


def test_a_card_opens_the_results_that_are_in_view_now(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([small(name, f"#d{n}2b10") for n, name in enumerate(("mug.png", "cup.png", "cap.png"))])
    ann.sees(3, "done", within=MINUTES)
    ann.page.get_by_placeholder("Search by name").fill("c")
    ann.sees(2, "done")
    # The first card itself did not change.
    ann.page.locator(".card-picture").first.click()
    expect(ann.page.get_by_role("dialog")).to_contain_text("1 / 2")


def test_photos_are_reviewed_and_saved_by_keyboard_alone(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([small(f"{n}.png", f"#d{n}2b10") for n in range(4)])
    ann.sees(4, "done", within=MINUTES)
    stack.kill_service()  # Decisions don't depend on it.
    stack.start_service()

    names = page.locator(".card-name").all_text_contents()
    page.locator(".card-picture").first.focus()
    assert focused(ann) == f"Compare: {names[0]}"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("X")  # as with Caps Lock
    ann.counts("Rejected", 1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=names[0])).to_be_visible()
    page.keyboard.press("a")
    expect(dialog.get_by_role("heading", name=names[1])).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading", name=names[2])).to_be_visible()
    page.keyboard.press("a")
    expect(dialog.get_by_role("heading", name=names[3])).to_be_visible()
    assert ann.barriers() == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_function(
        "(label) => document.activeElement.getAttribute('aria-label') === label", arg=f"Compare: {names[3]}"
    )
    ann.counts("Accepted", 2)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert ann.barriers() == []
    page.keyboard.press("Escape")
    # Decisions stay, and every tab has them.
    other = ann.another_tab().arrive()
    other.counts("Accepted", 2)
    page.bring_to_front()
    page.get_by_role("button", name=f"Accept: {names[3]}").press("Enter")
    other.counts("Accepted", 3)
    with zipfile.ZipFile(Path(ann.saves("Download 3 accepted").path())) as archive:
        accepted = {name.replace(".png", "-white.png") for name in (names[0], names[2], names[3])}
        assert set(archive.namelist()) == {*accepted, "report.csv"}
        rows = list(csv.DictReader(io.StringIO(archive.read("report.csv").decode("utf-8-sig"))))
    assert {row["review"] for row in rows} == {"accepted"}
    assert {row["verdict"] for row in rows} <= {"ready", "needs_review"}


def test_review_keys_work_whichever_control_has_the_focus_but_not_in_text(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([small(f"{n}.png", f"#d{n}2b10") for n in range(2)])
    ann.sees(2, "done", within=MINUTES)
    page.locator(".card-picture").first.click()
    dialog = page.get_by_role("dialog")
    names = page.locator(".card-name").all_text_contents()
    dialog.get_by_text("Dark", exact=True).click()
    expect(dialog.get_by_role("radio", name="Dark")).to_be_focused()
    page.keyboard.press("ArrowLeft")  # belongs to the control
    expect(dialog.get_by_role("radio", name="Checkered")).to_be_checked()
    expect(dialog.get_by_role("heading", name=names[0])).to_be_visible()
    page.keyboard.press("p")
    expect(dialog.locator(".position-frame")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    dialog.get_by_text("Dark", exact=True).click()
    page.keyboard.press("R")  # as with Caps Lock
    expect(dialog.get_by_role("heading", name=names[1])).to_be_visible()
    # The keys of a dialog behind another one rest.
    dialog.get_by_role("button", name="Other options").click()
    reprocess = page.get_by_role("dialog", name="Make again with other options")
    reprocess.get_by_role("checkbox", name="JD").check()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(reprocess).to_have_count(0)
    expect(dialog.get_by_role("heading", name=names[1])).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("searchbox", name="Search by name").press_sequentially("rar")
    expect(page.locator(".card-name")).to_have_count(0)
    page.get_by_role("searchbox", name="Search by name").fill("")
    ann.counts("Rejected", 1)
    expect(page.get_by_role("button", name="Accepted", exact=False)).to_have_count(0)


def test_a_deletion_is_carried_out_when_the_tab_is_closed(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([small("mug.png", "#d12b10"), small("cup.png", "#d22b10")])
    ann.sees(2, "done", within=MINUTES)
    ann.page.get_by_role("checkbox", name="Select: mug.png").check()
    ann.page.get_by_role("button", name="Delete", exact=True).click()
    ann.sees(1)
    other = ann.another_tab().arrive()
    other.sees(2, "done")  # It could still be undone.
    ann.page.close(run_before_unload=True)
    expect(other.page.locator(".card-name")).to_have_text(["cup.png"])
    other.arrive()
    expect(other.page.locator(".card-name")).to_have_text(["cup.png"])


def test_focus_goes_on_to_the_next_photo_when_a_decision_hides_one(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([small(f"{n}.png", f"#d{n}2b10") for n in range(3)])
    ann.sees(3, "done", within=MINUTES)
    names = page.locator(".card-name").all_text_contents()
    page.locator(".card-picture").first.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("r")
    ann.counts("Rejected", 3)
    page.get_by_role("button", name="Rejected 3", exact=True).click()
    page.keyboard.press("a")  # The focus is on the filter, and the selection is marked.
    ann.sees(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="All 3", exact=True).click()
    page.locator(".card-picture").first.focus()
    page.get_by_role("button", name="Accepted 3", exact=True).click()
    page.locator(".card-picture").first.focus()
    for name in names[1:]:
        page.keyboard.press("r")
        expect(page.locator(f'.card-picture[aria-label="Compare: {name}"]')).to_be_focused()
    page.keyboard.press("r")
    ann.sees(0)


def test_tasks_that_need_a_person_are_found_by_filters_in_a_stable_order(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([small("cup.png"), NOTES, small("bowl.png")])
    ann.sees(2, "done", within=MINUTES)
    ann.counts("Failed", 1)
    ann.counts("In progress", 0)
    page.get_by_role("button", name="Failed 1", exact=True).click()
    expect(page.locator(".card-name")).to_have_text(["notes.jpg"])
    page.get_by_role("button", name="All 3", exact=True).click()
    page.get_by_role("searchbox", name="Search by name").fill("BOWL")
    expect(page.locator(".card-name")).to_have_text(["bowl.png"])
    page.get_by_role("searchbox", name="Search by name").fill("")
    expect(page.locator(".card-name")).to_have_count(3)
    order = page.locator(".card-name").all_text_contents()
    assert set(order) == {"bowl.png", "cup.png", "notes.jpg"}
    other = ann.another_tab().arrive()
    ann.arrive()
    for tab in (ann, other):  # The rejected file is stored in the browser only.
        expect(tab.page.locator(".card-name")).to_have_text(order)


def test_a_selection_is_made_for_other_markets_without_an_upload_and_deleted_with_undo(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([small("cup.png"), small("bowl.png")])
    ann.sees(2, "done", within=MINUTES)
    uploads = ann.uploads
    page.get_by_role("checkbox", name="Select: cup.png").check()
    page.get_by_role("checkbox", name="Select: bowl.png").click(modifiers=["Shift"])
    bar = page.get_by_role("region", name="2 photos selected")
    bar.get_by_role("button", name="Other options").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="Taobao").check()
    dialog.get_by_role("checkbox", name="JD").check()
    own = dialog.get_by_role("checkbox", name="Any use")
    expect(own).to_be_checked()
    own.uncheck()
    assert ann.barriers() == []
    dialog.get_by_role("button", name="Make 4 pictures").click()
    ann.sees(6, "done", within=MINUTES)
    assert ann.uploads == uploads == 2

    page.get_by_label("Marketplace", exact=True).select_option("Taobao")
    expect(page.locator(".card-name")).to_have_count(2)
    page.get_by_label("Marketplace", exact=True).select_option("All marketplaces")
    with zipfile.ZipFile(Path(ann.saves("Download all 6 as ZIP").path())) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"custom", "jd", "taobao", "report.csv"}

    # A deletion is undone, then carried out; the other tab follows.
    other = ann.another_tab().arrive()
    other.sees(6, "done")
    page.bring_to_front()
    page.get_by_role("checkbox", name="Select: cup.png").first.check()
    page.get_by_role("button", name="Delete", exact=True).click()
    ann.sees(5)
    page.get_by_role("button", name="Undo").click()
    ann.sees(6)
    page.get_by_role("checkbox", name="Select: cup.png").first.check()
    page.get_by_role("button", name="Delete", exact=True).click()
    ann.sees(5)
    other.sees(5)
    ann.arrive().sees(5)


def test_a_wrong_cut_out_is_corrected_with_the_brush_and_the_earlier_result_is_kept(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    page.get_by_role("button", name="Compare: pink-cap.jpg").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Touch up").click()
    stage = dialog.locator(".touchup-stage")
    expect(stage).to_be_visible()
    send = dialog.get_by_role("button", name="Make new version")
    expect(send).to_be_disabled()
    assert ann.barriers() == []
    stroke(ann, stage, (0.5, 0.1), (0.5, 0.9))
    expect(send).to_be_enabled()
    page.keyboard.press("Control+z")
    expect(send).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    expect(send).to_be_enabled()
    ann.picture("30-touch-up")
    send.click()

    versions = dialog.get_by_role("group", name="Versions")
    expect(versions.get_by_role("button", name="Version 1")).to_be_visible(timeout=MINUTES * 1000)
    expect(ann.cards()).to_have_count(1)
    expect(page.locator(".card-state")).to_contain_text("2 versions")
    latest, first = pictures(ann)
    # The stroke runs through the middle of the cap.
    middle = first.shape[1] // 2
    assert (first[first.shape[0] // 2, middle] < 250).any()
    assert (latest[latest.shape[0] // 2, latest.shape[1] // 2] > 250).all()
    versions.get_by_role("button", name="Version 1").click()
    expect(versions.get_by_role("button", name="Version 1")).to_have_attribute("aria-pressed", "true")


def test_a_part_is_dropped_by_touch(visit: Visit) -> None:
    ann = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).arrive()
    page = ann.page
    ann.drop([{"name": "two.png", "mimeType": "image/png", "buffer": two_parts()}])
    ann.sees(1, "done")
    page.locator(".card-picture").tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Touch up").tap()
    dialog.get_by_text("Drop a part", exact=True).tap()
    (box,) = ann.boxes(dialog.locator(".touchup-stage"))
    page.touchscreen.tap(box["x"] + 0.85 * box["width"], box["y"] + 0.5 * box["height"])
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert ann.barriers() == []
    dialog.get_by_role("button", name="Make new version").tap()
    expect(dialog.get_by_role("group", name="Versions")).to_be_visible(timeout=MINUTES * 1000)
    latest, first = pictures(ann)
    assert parts(first) == 2
    assert parts(latest) == 1


def test_a_part_is_dropped_by_keyboard_alone(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([{"name": "two.png", "mimeType": "image/png", "buffer": two_parts()}])
    ann.sees(1, "done")
    page.get_by_role("button", name="Compare: two.png").first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("e")
    stage = dialog.get_by_role("application", name="Touch-up of two.png")
    stage.focus()
    page.keyboard.press("d")
    for _ in range(7):
        page.keyboard.press("Shift+ArrowRight")
    ann.picture("30-touch-up-by-keyboard")
    assert ann.barriers() == []
    page.keyboard.press("Space")
    dialog.get_by_role("button", name="Make new version").press("Enter")
    expect(dialog.get_by_role("group", name="Versions")).to_be_visible(timeout=MINUTES * 1000)
    latest, first = pictures(ann)
    assert parts(first) == 2
    assert parts(latest) == 1


def test_photo_and_result_lie_over_each_other_and_are_enlarged_together(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    ann.drop([PHOTOS / "leather-cap.jpg"])
    ann.sees(1, "done")
    page.get_by_role("button", name="Compare: leather-cap.jpg").first.click()
    dialog = page.get_by_role("dialog")
    before, after = dialog.locator(".viewer-photo img"), dialog.locator(".viewer-result img")
    placement = page.evaluate(PLACEMENT)
    for _ in range(2):
        photo, result, stage = ann.boxes(before, after, dialog.locator(".viewer-stage"))
        scale = result["width"] / placement["width"]
        assert photo["width"] == pytest.approx(placement["photo_width"] * placement["scale"] * scale, rel=0.01)
        assert photo["x"] - result["x"] == pytest.approx(placement["x"] * scale, abs=2)
        assert photo["y"] - result["y"] == pytest.approx(placement["y"] * scale, abs=2)
        dialog.get_by_role("button", name="Zoom in").click()
    assert result["width"] == pytest.approx(1.5 * stage["width"], rel=0.02)
    dialog.get_by_text("Checkered", exact=True).click()
    mask = dialog.locator(".viewer-masked").evaluate("(layer) => getComputedStyle(layer).maskImage")
    assert re.match(r'url\("http.*/mask\?', mask), mask
    expect(dialog.get_by_role("slider", name="Divider between before and after")).to_be_visible()


def test_a_sign_in_link_opens_the_photos_of_its_user_and_a_sign_out_brings_the_guest_back(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([small("guest.png")])
    ann.sees(1, "done", within=MINUTES)
    link = f"{ann.url}/#token={token('local')}"

    ann.page.goto("about:blank")
    ann.page.goto(link)

    ann.sees_connection("Live")
    assert ann.page.url == f"{ann.url}/"
    ann.sees(0)
    ann.drop([small("local.png")])
    ann.sees(1, "done", within=MINUTES)
    answer = httpx.get(f"{ann.url}/api/v2/tasks", headers={"Authorization": f"Bearer {token('local')}"}, timeout=30)
    assert [task["filename"] for task in answer.json()["tasks"]] == ["local.png"]
    ann.page.get_by_role("button", name="Sign out").click()
    expect(ann.page.locator(".card-name")).to_have_text(["guest.png"])


def test_localhost_and_the_address_share_one_guest(visit: Visit) -> None:
    ann = visit().arrive()
    guest = json.loads(ann.page.evaluate("localStorage['whitebg.session']"))["token"]
    ann.page.goto(ann.url.replace("127.0.0.1", "localhost"))
    ann.sees_connection("Live")
    assert ann.page.url == f"{ann.url}/"
    assert json.loads(ann.page.evaluate("localStorage['whitebg.session']"))["token"] == guest


def stroke(visitor: Visitor, stage: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    (box,) = visitor.boxes(stage)
    mouse = visitor.page.mouse
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    mouse.move(*points[0])
    mouse.down()
    mouse.move(*points[1], steps=10)
    mouse.up()


PLACEMENT = """async () => {
    const {token} = JSON.parse(localStorage["whitebg.session"]);
    const answer = await fetch("/api/v2/tasks", {headers: {Authorization: `Bearer ${token}`}});
    const {result} = (await answer.json()).tasks[0];
    return {...result.placement, width: result.width};
}"""


def pictures(visitor: Visitor) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Return the guest's results, newest first."""
    session = json.loads(visitor.page.evaluate("localStorage['whitebg.session']"))
    headers = {"Authorization": f"Bearer {session['token']}"}
    tasks = httpx.get(f"{visitor.url}/api/v2/tasks", headers=headers, timeout=30).json()["tasks"]
    files = [httpx.get(f"{visitor.url}/images/{task['task_id']}/result", headers=headers, timeout=30) for task in tasks]
    return [np.asarray(Image.open(io.BytesIO(file.content)).convert("RGB")) for file in files]


def parts(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Return how many separate ranges of columns hold product."""
    columns = (picture < 250).any(axis=2).any(axis=0)
    return int(np.count_nonzero(np.diff(columns.astype(np.int8), prepend=0) == 1))


def two_parts() -> bytes:
    """Draw a product, and beside it a part that does not belong to it."""
    photo = np.full((400, 600, 3), 215, np.uint8)
    photo[100:300, 60:360] = (170, 40, 30)
    photo[160:240, 470:550] = (30, 70, 160)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return file.getvalue()
