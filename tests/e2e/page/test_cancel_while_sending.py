"""A photo that is cancelled during its upload: the server may have accepted the task, and must not run it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Route, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import SUBMISSION, Visitor, jpeg

PHOTO = PHOTOS / "pink-cap.jpg"


class Held:
    """Responses to submissions that the server has sent and the page has not received yet."""

    def __init__(self, visitor: Visitor) -> None:
        self.keys: list[str | None] = []
        """The key of each accepted submission."""
        self._answers: list[tuple[Route, APIResponse]] = []
        self._holds = True
        visitor.page.route(SUBMISSION, self._take)

    def let_go(self, how: Callable[[Route, APIResponse], None]) -> None:
        """Release the held responses, and hold no further ones."""
        self._holds = False
        for route, answer in self._answers:
            how(route, answer)

    def _take(self, route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        answer = route.fetch()
        if not answer.ok:  # The service has only just restarted.
            route.fulfill(response=answer)
            return
        self.keys.append(route.request.headers.get("idempotency-key"))
        if self._holds:
            self._answers.append((route, answer))
        else:
            route.fulfill(response=answer)


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer-lost"])
def test_it_is_cancelled_at_the_server_as_well(stack: Stack, visit: Visit, lost: bool) -> None:
    ann = visit().arrive()
    other = ann.another_tab().arrive()
    # Without a worker, it is sure to be in the queue when it is cancelled.
    stack.kill_service()
    stack.start_service(worker_slots="0")
    other.sees_connection("Live")
    held = Held(ann)

    ann.drop([PHOTO])
    other.sees(1, "waiting")  # So the server has accepted it.
    ann.sees(1, "uploading")
    ann.sees(1)  # Its event came before its response, and is not shown as another photo.
    ann.page.get_by_role("button", name="Cancel: pink-cap.jpg").click()
    ann.sees(1, "cancelled")
    held.let_go(lambda route, answer: route.abort() if lost else route.fulfill(response=answer))

    other.sees(1, "cancelled")
    ann.sees(1, "cancelled")
    expect(ann.cards()).to_have_count(1)
    expect(other.cards()).to_have_count(1)
    assert len(held.keys) == (2 if lost else 1)
    assert len(set(held.keys)) == 1, "it was submitted as another task"


def test_one_that_was_not_sent_yet_is_forgotten(visit: Visit) -> None:
    ann = visit().arrive()
    held = Held(ann)
    ann.drop([jpeg(f"{n}.jpg", PHOTO.read_bytes()) for n in range(5)])
    ann.sees(3, "uploading")
    ann.page.get_by_role("button", name="Cancel: 4.jpg").click()
    ann.sees(4)
    held.let_go(lambda route, answer: route.fulfill(response=answer))
    ann.sees(4, "done")
    assert len(held.keys) == 4
