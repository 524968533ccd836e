"""The page for operators: the queue live, pauses, requeues, and who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack, running_stack
from tests.e2e.page.visitor import Visitor
from tests.support.api import token
from tests.support.patience import PATIENCE
from tests.support.photos import cut_out

PHOTO = cut_out()
_WHOLE = (PHOTOS / "pink-cap.jpg").read_bytes()
TORN = _WHOLE[: len(_WHOLE) // 2]
"""With a valid header, so that it is accepted, and fails in the engine."""
TORN_CODE = "image_truncated"


def operator(visit: Visit, stack: Stack, **options: object) -> Visitor:
    """Open the page for operators as one."""
    ops = visit(**options)
    ops.page.goto(f"{stack.url}/admin#token={token('ops', scope='tasks admin')}")
    ops.sees_connection("Live")
    expect(ops.page.get_by_role("heading", name="Operations")).to_be_visible()
    return ops


def upload(stack: Stack, photo: bytes = PHOTO, user: str = "ann") -> None:
    headers = {"Authorization": f"Bearer {token(user)}"}
    files = {"file": ("photo", photo)}
    response = httpx.post(f"{stack.url}/api/v2/tasks", headers=headers, files=files, timeout=PATIENCE)
    assert response.status_code == 202, response.text


def counts(page: Page, state: str, count: int) -> None:
    """Wait until the tile of a state shows so many tasks."""
    tile = page.locator(".tile").filter(has=page.get_by_text(state, exact=True))
    expect(tile.locator("dd")).to_have_text(str(count))


def test_an_operator_pauses_the_queue_and_sees_what_waits_live(stack: Stack, visit: Visit) -> None:
    ops = operator(visit, stack)
    page = ops.page
    page.get_by_role("button", name="Pause All engines").click()
    page.get_by_label("Note for users").fill("moving the disks")
    page.get_by_text("In 1 h").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("moving the disks")).to_be_visible()
    expect(page.get_by_text(re.compile("Paused until"))).to_be_visible()

    upload(stack)
    counts(page, "Waiting", 1)
    page.get_by_role("button", name="Resume All engines").click()

    counts(page, "Completed", 1)
    counts(page, "Waiting", 0)
    expect(page.get_by_role("button", name="Pause All engines")).to_be_visible()


def test_changes_arrive_over_the_socket(shared_stack: Stack, visit: Visit) -> None:
    ops = operator(visit, shared_stack)
    ops.wire.hears("queue_changed")
    with ops.page.expect_request("**/api/v2/admin/overview"):
        upload(shared_stack)


def test_an_engine_is_paused_by_itself(stack: Stack, visit: Visit) -> None:
    page = operator(visit, stack).page
    page.get_by_role("button", name="Pause Gemini").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Gemini"))
    expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    upload(stack)
    counts(page, "Completed", 1)
    row.get_by_role("button", name="Resume Gemini").click()
    expect(row.get_by_text("Paused", exact=True)).to_have_count(0)


def test_idle_workers_flags_and_settings_are_shown(stack: Stack, visit: Visit) -> None:
    page = operator(visit, stack).page
    workers = page.get_by_role("region", name="Workers").first
    expect(workers.get_by_role("cell", name="Idle")).to_have_count(1)
    settings = page.get_by_role("region", name="Settings").first
    expect(settings.get_by_text("WebSocket for 100% of the users")).to_be_visible()
    row = settings.get_by_role("row").filter(has_text="WHITEBG_JWT_SECRET").filter(has_text="Gateway")
    expect(row.get_by_role("cell").last).to_have_text("(secret)")
    expect(settings.get_by_text("WHITEBG_PRIORITY_AGEING", exact=True)).to_have_count(0)
    settings.get_by_label("Show defaults too").check()
    expect(settings.get_by_text("WHITEBG_PRIORITY_AGEING", exact=True)).to_be_visible()


def test_failures_are_grouped_and_requeued_after_a_count(stack: Stack, visit: Visit) -> None:
    for user in ("ann", "bob"):
        upload(stack, TORN, user)
    page = operator(visit, stack).page
    failures = page.get_by_role("region", name="Failures in the last 24 hours").first
    group = failures.get_by_role("row").filter(has_text=TORN_CODE)
    expect(group.get_by_role("cell").nth(0)).to_have_text("2")

    group.get_by_role("button", name=f"Requeue tasks with {TORN_CODE}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Tasks to be submitted again: 2.")).to_be_visible()
    counts(page, "Failed", 2)
    dialog.get_by_role("button", name="Submit 2 again").click()
    expect(dialog.get_by_text("Submitted again: 2.")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    counts(page, "Failed", 4)
    expect(group.get_by_role("cell").nth(0)).to_have_text("4")


def test_others_are_asked_to_sign_in_as_operators(shared_stack: Stack, visit: Visit) -> None:
    guest = visit()
    guest.page.goto(f"{shared_stack.url}/admin")
    expect(guest.page.get_by_text("This page is for operators.")).to_be_visible()
    assert guest.barriers() == []
    assert "/api/v2/admin/users" not in guest.requests

    guest.page.get_by_label("Token", exact=True).fill(token("ops", scope="tasks admin"))
    guest.page.get_by_role("button", name="Sign in").click()

    expect(guest.page.get_by_role("heading", name="Operations")).to_be_visible()
    expect(guest.page).to_have_title("whitebg · Operations")


def test_a_user_who_is_no_operator_stays_signed_in(shared_stack: Stack, visit: Visit) -> None:
    ann = visit()
    ann.page.goto(f"{shared_stack.url}/#token={token('ann')}")
    ann.sees_connection("Live")

    ann.page.goto(f"{shared_stack.url}/admin")
    expect(ann.page.get_by_text("This page is for operators.")).to_be_visible()
    expect(ann.page.get_by_text("session has ended")).to_be_hidden()

    ann.page.goto(shared_stack.url)
    ann.sees_connection("Live")
    expect(ann.page.get_by_role("button", name="Sign out")).to_be_visible()


def test_the_page_of_the_photos_loads_nothing_of_it(visit: Visit) -> None:
    ann = visit().arrive()
    assert not [path for path in ann.requests if "AdminPage" in path or "/admin/" in path]


@pytest.fixture(scope="module")
def busy_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all screens, with failures and finished tasks of several users."""
    with running_stack(tmp_path_factory.mktemp("screens")) as stack:
        for user in ("ann", "bob", "=a-very-long-name-of-a-user@some-department.example.com"):
            upload(stack, TORN, user)
            upload(stack, PHOTO, user)
        yield stack


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "locale", "heading"), [(1440, "en-GB", "Queue"), (390, "zh-CN", "队列")])
def test_the_page_fits_each_screen(
    busy_stack: Stack, visit: Visit, scheme: str, width: int, locale: str, heading: str
) -> None:
    ops = visit(color_scheme=scheme, locale=locale, viewport={"width": width, "height": 900})
    ops.page.goto(f"{busy_stack.url}/admin#token={token('ops', scope='tasks admin')}")
    expect(ops.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(ops.page.locator("#errors")).to_be_visible()
    expect(ops.page.get_by_role("rowheader", name="bob")).to_be_visible()

    assert ops.barriers() == []
    assert ops.page.evaluate("document.documentElement.scrollWidth") == width
    ops.picture(f"60-admin-{width}-{scheme}", full=True)
    ops.page.locator(".panel-head button").first.click()
    expect(ops.page.get_by_role("dialog")).to_be_visible()
    assert ops.barriers() == []
    ops.picture(f"61-admin-pause-{width}-{scheme}")
