"""Photos are added in every way that browsers offer: dropped or chosen folders, the clipboard, many at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, FilePayload, Route, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import SUBMISSION, Visitor, png
from tests.support.api import token
from tests.support.patience import PATIENCE
from tests.support.photos import cut_out

MANY = 40
# Without running tasks and known slots there is no estimate.
IN_LINE = r"^(?:Next|#(\d+)) in the queue"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like a camera's memory card: photos on two levels, and other files."""
    root = tmp_path / "shooting"
    (root / "day two").mkdir(parents=True)
    (root / "cap.jpg").write_bytes((PHOTOS / "pink-cap.jpg").read_bytes())
    (root / "day two" / "loafers.jpg").write_bytes((PHOTOS / "loafers.jpg").read_bytes())
    (root / ".DS_Store").write_bytes(b"what a Mac leaves behind")
    (root / "Thumbs.db").write_bytes(b"what Windows leaves behind")
    return root


def test_folder_without_photos_is_reported(visit: Visit) -> None:
    ann = visit().arrive()
    ann.page.evaluate(
        """() => {
            const cargo = new DataTransfer();
            cargo.items.add(new File(["%PDF-1.4"], "invoice.pdf", {type: "application/pdf"}));
            const input = document.querySelector("input[webkitdirectory]");
            input.files = cargo.files;
            input.dispatchEvent(new Event("change", {bubbles: true}));
        }"""
    )
    expect(ann.page.get_by_role("alert")).to_have_text("There are no photos in this folder.")
    ann.sees(0)


def test_each_way_to_add_photos_is_named_once(visit: Visit) -> None:
    ann = visit().arrive()
    buttons = ann.page.get_by_role("group", name="Add photos").get_by_role("button")
    expect(buttons).to_have_text(["Choose photos", "Choose a folder"])
    with ann.page.expect_file_chooser() as choosing:
        buttons.first.click()
    choosing.value.set_files([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2)


def test_signing_out_asks_before_unsent_photos_are_lost(visit: Visit) -> None:
    ann = visit()
    ann.page.goto(f"{ann.url}/#token={token('ann')}")
    ann.sees_connection("Live")
    held: list[Route] = []
    ann.page.route(
        SUBMISSION, lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2, "uploading")
    asked: list[str] = []

    def answer(dialog: Dialog, accepted: bool) -> None:
        asked.append(dialog.message)
        dialog.accept() if accepted else dialog.dismiss()

    ann.page.once("dialog", lambda dialog: answer(dialog, False))
    ann.page.get_by_role("button", name="Sign out").click()
    ann.sees(2, "uploading")
    ann.page.once("dialog", lambda dialog: answer(dialog, True))
    ann.page.get_by_role("button", name="Sign out").click()
    ann.sees(0)
    assert asked == ["2 photos have not been sent yet, and will be lost. Sign out all the same?"] * 2
    for route in held:
        route.abort()


def test_a_dropped_folder_is_read_to_its_last_photo(visit: Visit, folder: Path) -> None:
    ann = visit().arrive()

    drag(ann, folder)

    ann.sees(2, "done")
    assert names(ann) == {"cap.jpg", "loafers.jpg"}


def test_of_a_chosen_folder_only_the_photos_are_sent(visit: Visit, folder: Path) -> None:
    (folder / "prices.txt").write_text("cap 12")
    ann = visit().arrive()

    with ann.page.expect_file_chooser() as choosing:
        ann.page.get_by_role("button", name="Choose a folder").click()
    choosing.value.set_files(folder)

    ann.sees(2, "done")
    assert names(ann) == {"cap.jpg", "loafers.jpg"}


def test_a_photo_is_pasted_from_the_clipboard(visit: Visit) -> None:
    ann = visit(permissions=["clipboard-read", "clipboard-write"]).arrive()
    # Onto the browser's own clipboard, as "copy image" does.
    ann.page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(400, 300);
            const pen = canvas.getContext("2d");
            pen.fillStyle = "#d8dbe0";
            pen.fillRect(0, 0, 400, 300);
            pen.fillStyle = "#b3261e";
            pen.fillRect(130, 60, 140, 190);
            const photo = await canvas.convertToBlob({type: "image/png"});
            await navigator.clipboard.write([new ClipboardItem({"image/png": photo})]);
        }"""
    )

    ann.page.keyboard.press("Control+V")

    ann.sees(1, "done")
    # Text on the clipboard is no photo and is ignored.
    ann.page.evaluate("navigator.clipboard.writeText('a cap, pink')")
    ann.page.keyboard.press("Control+V")
    ann.page.get_by_label("Made for").select_option("amazon")
    expect(ann.cards()).to_have_count(1)


@pytest.mark.timeout(900)  # for as long as one photo after the other is done
def test_many_photos_at_once_are_all_in_line_and_all_come_back(stack: Stack, visit: Visit) -> None:
    # Without a worker, all are sure to be in the queue together.
    stack.kill_service()
    stack.start_service(worker_slots="0")
    ann = visit().arrive()
    ann.page.evaluate(
        """() => {
            window.longTasks = [];
            new PerformanceObserver((list) => {
                for (const {duration} of list.getEntries()) window.longTasks.push(duration);
            }).observe({type: "longtask"});
        }"""
    )

    ann.page.get_by_label("Made for").select_option("taobao")  # the smallest picture
    ann.drop([small_photo(n) for n in range(MANY)])

    ann.counts("All", MANY)
    ann.counts("In progress", MANY)
    # Only the cards near the screen are rendered: the newest photos, which are last in the queue.
    ann.page.wait_for_function(
        """([words, most]) => {
            const places = [...document.querySelectorAll(".card-state")].map(({textContent}) => {
                const said = textContent.match(words);
                return said === null ? 0 : Number(said[1] ?? 1);
            });
            places.sort((a, b) => b - a);
            return places.length > 5 && places.length < most && places.every((place, index) => place === most - index);
        }""",
        arg=[IN_LINE, MANY],
    )
    ann.picture("08-many")
    stack.kill_service()
    stack.start_service(pool_processes="2")
    expect(ann.page.get_by_text(f"{MANY} of {MANY} finished")).to_be_visible(timeout=5 * PATIENCE * 1000)
    ann.counts("In progress", 0)
    ann.counts("Failed", 0)
    # On the way down, every photo comes into view.
    seen = names(ann)
    while not ann.page.evaluate("scrollY + innerHeight >= document.body.scrollHeight - 2"):
        ann.page.mouse.wheel(0, 400)
        ann.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen |= names(ann)
    assert seen == {small_photo(n)["name"] for n in range(MANY)}
    assert ann.polls == []
    long_tasks: list[float] = ann.page.evaluate("window.longTasks")
    print(f"long tasks of the page: {len(long_tasks)}, the longest {max(long_tasks, default=0):.0f} ms")


def drag(visitor: Visitor, path: Path) -> None:
    """Drag something from the desktop and drop it on the page; the browser itself reads it from the disk."""
    box = visitor.page.locator(".drop").bounding_box()
    assert box is not None
    devtools = visitor.page.context.new_cdp_session(visitor.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {"items": [], "files": [str(path)], "dragOperationsMask": 1},
            },
        )
    devtools.detach()


def names(visitor: Visitor) -> set[str]:
    return set(visitor.page.locator(".card-name").all_text_contents())


def small_photo(number: int) -> FilePayload:
    """Return a distinct photo of some kilobytes."""
    shade = f"#{200 + number % 50:02x}{205 + number % 40:02x}{210 + number % 30:02x}"
    return png(f"{number:03}.png", cut_out(300, 225, product=shade))
