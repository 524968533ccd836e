"""A full quota or a rejected photo is explained on the page, which then continues."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import png
from tests.support.fake_gemini import gemini_in_a_thread, no_image
from tests.support.photos import cut_out


def test_over_the_quota_photos_wait_in_the_page_and_go_on_by_themselves(stack: Stack, visit: Visit) -> None:
    # Without a worker, the quota is sure to be full.
    stack.kill_service()
    stack.start_service(worker_slots="0", pending_per_user="2")
    ann = visit().arrive()

    ann.drop([png(f"{n}.png", cut_out(300, 225)) for n in range(5)])

    ann.sees(2, "waiting")
    ann.sees(3, "held")
    expect(ann.page.get_by_text("Too many of your photos are waiting").first).to_be_visible()
    expect(ann.page.get_by_text("It is sent by itself as soon as there is room").first).to_be_visible()
    assert ann.barriers() == []
    ann.picture("13-quota", full=True)
    # A photo that waits in the page can be cancelled like any other.
    ann.page.get_by_role("button", name="Cancel: 4.png").click()
    ann.sees(4)
    stack.kill_service()
    stack.start_service(pending_per_user="2")
    ann.sees(4, "done")
    assert ann.polls == []


def test_a_photo_that_gemini_blocks_says_so_and_what_it_advises_works(stack: Stack, visit: Visit) -> None:
    with gemini_in_a_thread(no_image("IMAGE_SAFETY")) as gemini:
        stack.kill_service()
        stack.start_service(gemini_api_key="k" * 39, gemini_base_url=gemini.url, engine_order="gemini,local")
        ann = visit().arrive()

        ann.drop([PHOTOS / "pink-cap.jpg"])

        ann.sees(1, "failed")
        expect(ann.page.get_by_text("The image provider refused this photo")).to_be_visible()
        advice = "Its safety rules blocked it. Try another photo, or choose “This server” as the maker."
        expect(ann.page.get_by_text(advice)).to_be_visible()
        assert ann.barriers() == []
        ann.picture("14-blocked", full=True)
        ann.page.get_by_role("button", name="More options").click()
        ann.page.get_by_label("Made by").select_option("This server")
        ann.drop([PHOTOS / "pink-cap.jpg"])
        ann.sees(1, "done")
        assert len(gemini.requests) == 1, "a blocked photo is not submitted again"
