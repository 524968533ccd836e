"""Files that browsers can't show, or that are no photos, among the photos of a drop: each has its own outcome."""

from __future__ import annotations

import io

import pillow_heif
from PIL import Image
from playwright.sync_api import FilePayload, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS
from tests.e2e.page.visitor import Visitor, jpeg

MEGABYTE = 1024 * 1024


def test_a_phone_photo_that_the_browser_cannot_show_is_made_and_corrected(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([heic("IMG_0001.HEIC")])
    ann.sees(1, "done")
    card = ann.page.get_by_role("article", name="IMG_0001.HEIC")
    expect(card.locator(".card-picture[data-white=true] img")).to_be_visible()

    ann.page.get_by_role("button", name="Compare: IMG_0001.HEIC").first.click()
    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_text("Exactly white (255, 255, 255) all around")).to_be_visible()
    ann.boxes(dialog.get_by_role("img").first)
    # The photo comes from the server in a form that browsers decode.
    dialog.get_by_role("button", name="Touch up").click()
    expect(dialog.locator(".touchup-stage canvas").first).to_be_visible()


def test_files_that_are_no_photos_are_named_and_the_others_are_made(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([PHOTOS / "pink-cap.jpg", jpeg("empty.jpg", b"")])
    drop_large(ann, "video.mov", 60 * MEGABYTE)

    ann.sees(1, "done")
    ann.sees(2, "failed")
    for name, words in (("empty.jpg", "This file is empty."), ("video.mov", "This photo is too large.")):
        card = ann.page.get_by_role("article", name=name)
        expect(card.get_by_text(words)).to_be_visible()
        expect(card.get_by_role("button", name="Try again")).to_have_count(0)
    assert ann.uploads == 2, "the large file was sent"
    assert ann.barriers() == []


def heic(name: str) -> FilePayload:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.open(PHOTOS / "pink-cap.jpg")).save(file, quality=90)
    return {"name": name, "mimeType": "", "buffer": file.getvalue()}


def drop_large(visitor: Visitor, name: str, size: int) -> None:
    """Drop a file that is larger than Playwright's inputs take."""
    visitor.page.evaluate(
        """([name, size]) => {
            const cargo = new DataTransfer();
            cargo.items.add(new File([new Uint8Array(size)], name, {type: "video/quicktime"}));
            const drop = new DragEvent("drop", {dataTransfer: cargo, bubbles: true, cancelable: true});
            document.querySelector(".drop").dispatchEvent(drop);
        }""",
        [name, size],
    )
