"""Files that browsers can't show, or that are no photos, among the photos of a drop: each has its own outcome."""

from __future__ import annotations

import io

import pillow_heif
from PIL import Image
from playwright.sync_api import FilePayload, Route, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS
from tests.e2e.page.visitor import SUBMISSION, Visitor, jpeg, png
from tests.support.photos import cut_out

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


def test_a_rejected_file_is_listed_until_it_is_dismissed(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([PHOTOS / "pink-cap.jpg", jpeg("empty.jpg", b""), pdf("prices.pdf")])
    drop_large(ann, "video.mov", 60 * MEGABYTE)
    ann.sees(1, "done")
    ann.sees(3, "failed")
    order = ann.page.locator(".card-name").all_text_contents()

    ann.page.reload()

    ann.sees(3, "failed")
    assert ann.page.locator(".card-name").all_text_contents() == order
    card = ann.page.get_by_role("article", name="prices.pdf")
    expect(card.get_by_text("This is not a photo we can read.")).to_be_visible()
    expect(card.get_by_role("button", name="Try again")).to_have_count(0)
    assert ann.barriers() == []
    card.get_by_role("button", name="Dismiss").click()
    ann.sees(2, "failed")
    other = ann.another_tab().arrive()
    other.sees(2, "failed")
    other.page.get_by_role("button", name="Dismiss 2 failed files").click()
    other.sees(1)
    ann.page.reload()
    ann.sees(1)


def test_photos_that_were_not_sent_when_the_page_was_reloaded_are_named(visit: Visit) -> None:
    ann = visit().arrive()
    names = ["a.png", "b.png", "c.png", "d.png"]
    held: list[Route] = []  # Three are sent at a time, and never arrive.

    def hold(route: Route) -> None:
        held.append(route) if route.request.method == "POST" and len(held) < 3 else route.continue_()

    ann.page.route(SUBMISSION, hold)
    ann.drop([png(name, cut_out(300, 225)) for name in names])
    ann.sees(3, "uploading")
    ann.page.on("dialog", lambda dialog: dialog.accept())

    ann.page.reload()

    ann.sees(4, "failed")
    expect(ann.page.get_by_text("This photo was not sent.")).to_have_count(4)
    ann.drop([png("b.png", cut_out(300, 225))])
    ann.sees(1, "done")
    ann.sees(3, "failed")
    assert set(ann.page.locator(".card-name").all_text_contents()) == set(names)


def pdf(name: str) -> FilePayload:
    return {"name": name, "mimeType": "application/pdf", "buffer": b"%PDF-1.4 and so on"}
