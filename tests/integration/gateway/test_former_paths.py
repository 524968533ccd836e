"""Former paths: the same handlers as their successors, and marked as deprecated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.gateway.world import GatewayHarness
from tests.support.api import TINY

FORMER = {
    ("post", "/api/v2/tasks/async"): "/api/v2/tasks",
    ("post", "/api/v2/process"): "/api/v2/tasks",
    ("get", "/api/generation/tasks"): "/api/v2/tasks",
    ("get", "/api/generation/tasks/{task_id}"): "/api/v2/tasks/{task_id}",
    ("post", "/api/messages/sync"): "/api/v2/events",
    ("post", "/api/ws-token"): "/api/v2/ws-token",
    ("post", "/api/guest-token"): "/api/v2/guest-token",
}
PHOTO = {"file": ("cup.png", TINY)}


def assert_marked(headers: Any, successor: str) -> None:
    assert headers["Deprecation"].removeprefix("@").isdecimal()
    assert headers["Link"] == f'<{successor}>; rel="successor-version"'


async def test_the_document_marks_exactly_the_former_paths(world: GatewayHarness) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    operations = [(verb, path, each) for path, verbs in paths.items() for verb, each in verbs.items()]
    marked = {(verb, path): each["x-successor"] for verb, path, each in operations if each.get("deprecated")}
    assert marked == FORMER
    assert set(FORMER.values()) <= set(paths)
    names = [each["operationId"] for _, _, each in operations]
    assert len(names) == len(set(names))


async def test_a_submission_is_the_same_under_either_path(world: GatewayHarness) -> None:
    headers = world.headers() | {"Idempotency-Key": "one"}
    former = await world.http.post("/api/v2/tasks/async", headers=headers, files=PHOTO, data={"preset": "amazon"})
    current = await world.http.post("/api/v2/tasks", headers=headers, files=PHOTO, data={"preset": "amazon"})
    assert former.status_code == current.status_code == 202
    assert former.json()["task_id"] == current.json()["task_id"]
    assert current.headers["Idempotency-Replayed"] == "true"
    assert_marked(former.headers, "/api/v2/tasks")
    assert not {"Deprecation", "Link"} & set(current.headers)


async def test_process_waits_as_submit_does(world: GatewayHarness) -> None:
    former = await world.http.post("/api/v2/process?timeout=0.05", headers=world.headers(), files=PHOTO)
    assert (former.status_code, former.json()["status"]) == (202, "pending")
    assert_marked(former.headers, "/api/v2/tasks")


@pytest.mark.parametrize(
    ("former", "current"),
    [
        ("/api/generation/tasks?limit=1", "/api/v2/tasks?limit=1"),
        ("/api/generation/tasks/1", "/api/v2/tasks/1"),
        ("/api/generation/tasks/404", "/api/v2/tasks/404"),
        ("/api/generation/tasks/x%3E", "/api/v2/tasks/x%3E"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_answers_are_the_same_and_errors_are_marked_too(
    world: GatewayHarness, method: str, former: str, current: str
) -> None:
    await world.service.submit("ann")
    # One token, because links to images contain when it was issued.
    headers = world.headers()
    old = await world.http.request(method, former, headers=headers)
    new = await world.http.request(method, current, headers=headers)
    assert (old.status_code, old.content) == (new.status_code, new.content)
    assert_marked(old.headers, current.partition("?")[0])


async def test_missed_messages_are_the_same(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    headers = world.headers()
    old = await world.http.post("/api/messages/sync", headers=headers, json={"since": "e0:0"})
    new = await world.http.get("/api/v2/events", headers=headers, params={"since": "e0:0"})
    assert old.json() == new.json()
    assert [message["id"] for message in new.json()["messages"]] == ["e0:1"]
    assert_marked(old.headers, "/api/v2/events")


async def test_tokens_are_made_under_either_path(world: GatewayHarness) -> None:
    for path in ("ws-token", "guest-token"):
        headers = world.headers() if path == "ws-token" else {}
        for base in ("/api/", "/api/v2/"):
            answer = await world.http.post(base + path, headers=headers)
            assert (answer.status_code, bool(answer.json()["token"])) == (200, True)
        assert_marked((await world.http.post(f"/api/{path}", headers=headers)).headers, f"/api/v2/{path}")


async def test_images_of_a_task_need_the_owner_s_token(world: GatewayHarness) -> None:
    await world.service.submit("ann")
    path = "/api/v2/tasks/1/images/input"
    own = await world.http.get(path, headers=world.headers())
    linked = await world.http.get(
        (await world.http.get("/api/v2/tasks/1", headers=world.headers())).json()["input_image_url"]
    )
    assert (own.status_code, own.content, own.headers["ETag"]) == (200, linked.content, linked.headers["ETag"])
    assert (await world.http.get(path)).status_code == 401
    assert (await world.http.get(path, headers=world.headers("bob"))).status_code == 404
    assert (await world.http.get("/api/v2/tasks/1/images/mask", headers=world.headers())).status_code == 404
