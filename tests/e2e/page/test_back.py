"""The browser's Back button closes dialogs and editors, the uppermost first, and leaves the page only after them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.test_admin import operator
from tests.e2e.page.test_review import stroke
from tests.e2e.page.visitor import Visitor

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ELSEWHERE = "about:blank"


def opened(ann: Visitor) -> Locator:
    """Arrive from another page and open the only photo's result; return its dialog."""
    ann.page.goto(ELSEWHERE)
    ann.arrive()
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    return reopened(ann)


def reopened(ann: Visitor) -> Locator:
    ann.page.locator(".card-picture").click()
    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Touch up")).to_be_visible()
    return dialog


def at_own_entry(ann: Visitor) -> None:
    """Wait until the history is at the page's own entry: nothing is open over the page."""
    ann.page.wait_for_function("() => history.state === null")


def test_back_closes_a_dialog_and_then_leaves_the_page(visit: Visit) -> None:
    ann = visit(**PHONE)
    dialog = opened(ann)

    ann.page.go_back()
    expect(dialog).to_have_count(0)
    expect(ann.page.locator(".card-picture")).to_be_focused()
    ann.sees(1, "done")

    # An entry without its dialog is left again: a Back after it is not in vain.
    ann.page.go_forward()
    at_own_entry(ann)
    expect(dialog).to_have_count(0)
    ann.page.go_back()
    ann.page.wait_for_url(ELSEWHERE)


def test_back_after_a_dialog_was_closed_leaves_the_page(visit: Visit) -> None:
    ann = visit(**PHONE)
    for close in ("button", "Escape"):
        dialog = opened(ann) if close == "button" else reopened(ann)
        if close == "button":
            dialog.get_by_role("button", name="Close").click()
        else:
            ann.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        at_own_entry(ann)
    ann.page.go_back()
    ann.page.wait_for_url(ELSEWHERE)


def test_back_after_a_reload_in_a_dialog_leaves_the_page(visit: Visit) -> None:
    ann = visit(**PHONE)
    opened(ann)
    ann.page.reload()
    ann.sees(1, "done")
    at_own_entry(ann)
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    dialog = reopened(ann)
    ann.page.go_back()
    expect(dialog).to_have_count(0)
    at_own_entry(ann)
    ann.page.go_back()
    ann.page.wait_for_url(ELSEWHERE)


def test_back_closes_a_dialog_over_another_one_first(visit: Visit) -> None:
    ann = visit(**PHONE)
    dialog = opened(ann)
    dialog.get_by_role("button", name="Other options").click()
    upper = ann.page.get_by_role("dialog", name="Make again with other options")
    expect(upper).to_be_visible()

    ann.page.go_back()
    expect(upper).to_have_count(0)
    expect(dialog.get_by_role("button", name="Touch up")).to_be_visible()
    ann.page.go_back()
    expect(dialog).to_have_count(0)
    at_own_entry(ann)


def test_back_leaves_an_editor_and_asks_before_changes_are_lost(visit: Visit) -> None:
    ann = visit(**PHONE)
    dialog = opened(ann)
    stage = dialog.locator(".touchup-stage")
    dialog.get_by_role("button", name="Touch up").click()
    expect(stage).to_be_visible()
    ann.page.go_back()
    expect(dialog.get_by_role("button", name="Touch up")).to_be_visible()

    dialog.get_by_role("button", name="Touch up").click()
    expect(stage).to_be_visible()
    stroke(ann, stage, (0.4, 0.4), (0.6, 0.4))
    asked: list[str] = []

    def answer(question: Dialog, accepted: bool) -> None:
        asked.append(question.message)
        question.accept() if accepted else question.dismiss()

    ann.page.once("dialog", lambda question: answer(question, False))
    ann.page.go_back()
    ann.page.wait_for_function("() => history.state?.layers === 2")
    expect(stage).to_be_visible()
    ann.page.once("dialog", lambda question: answer(question, True))
    ann.page.go_back()
    expect(stage).to_have_count(0)
    assert asked == ["Discard your changes?"] * 2
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    at_own_entry(ann)


@pytest.mark.parametrize("way", ["Close", "Cancel", "Escape"])
def test_an_editor_asks_before_changes_are_lost(visit: Visit, way: str) -> None:
    ann = visit(**PHONE)
    dialog = opened(ann)

    def leave() -> None:
        if way == "Escape":
            ann.page.keyboard.press("Escape")
        else:
            dialog.get_by_role("button", name=way).click()

    stage = dialog.locator(".touchup-stage")
    dialog.get_by_role("button", name="Touch up").click()
    expect(stage).to_be_visible()
    stroke(ann, stage, (0.4, 0.4), (0.6, 0.4))
    with ann.page.expect_event("dialog"):
        ann.page.once("dialog", lambda question: question.dismiss())
        leave()
    expect(dialog.get_by_role("button", name="Make new version")).to_be_enabled()
    ann.page.once("dialog", lambda question: question.accept())
    leave()
    expect(dialog.get_by_role("button", name="Touch up")).to_be_visible()
    dialog.get_by_role("button", name="Touch up").click()
    expect(dialog.get_by_role("button", name="Touch up")).to_have_count(0)
    leave()
    expect(dialog.get_by_role("button", name="Touch up")).to_be_visible()


def test_back_closes_a_dialog_of_the_operators(shared_stack: Stack, visit: Visit) -> None:
    ops = operator(visit, shared_stack)
    ops.page.get_by_role("button", name="Pause All engines").click()
    expect(ops.page.get_by_role("dialog")).to_be_visible()
    ops.page.go_back()
    expect(ops.page.get_by_role("dialog")).to_have_count(0)
    expect(ops.page.get_by_role("heading", name="Operations")).to_be_visible()
