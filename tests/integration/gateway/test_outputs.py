"""Several pictures of one photo in one request over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import PICTURE


async def submit(world: GatewayHarness, more: object, path: str = "/api/v2/tasks", **form: str) -> httpx.Response:
    files: dict[str, Any] = {"file": ("cup.png", PICTURE)} if path.endswith("tasks") else {"preset": (None, "ebay")}
    data = {"more_options": more if isinstance(more, str) else json.dumps(more)} | form
    return await world.http.post(path, files=files, data=data, headers=world.headers())


async def test_one_upload_makes_a_task_for_each_output(world: GatewayHarness) -> None:
    more = [{"preset": "taobao"}, {"preset": "jd", "format": "jpeg", "margin": 0.1}]
    answer = await submit(world, more, preset="amazon")
    assert answer.status_code == 202, answer.text
    first = answer.json()
    tasks = [first, *first["more_tasks"]]
    assert [task["options"]["preset"] for task in tasks] == ["amazon", "taobao", "jd"]
    assert (tasks[2]["options"]["format"], tasks[2]["options"]["margin"]) == ("jpeg", 0.1)
    (batch_id,) = {task["batch_id"] for task in tasks}
    batch = await world.http.get(f"/api/v2/batches/{batch_id}", headers=world.headers())
    assert (batch.json()["total"], batch.json()["closed"]) == (3, True)
    stored = [await world.service.task(task["task_id"]) for task in tasks]
    assert len({task.input.blob for task in stored}) == 1

    version = await submit(world, [{"preset": "shopify"}], f"/api/v2/tasks/{first['task_id']}/versions")
    made = version.json()
    assert [task["options"]["preset"] for task in (made, *made["more_tasks"])] == ["ebay", "shopify"]
    assert made["source_task_id"] == made["more_tasks"][0]["source_task_id"] == first["task_id"]


async def test_request_without_further_outputs_has_an_empty_list(world: GatewayHarness) -> None:
    answer = await world.http.post("/api/v2/tasks", files={"file": ("cup.png", PICTURE)}, headers=world.headers())
    assert (answer.json()["more_tasks"], answer.json()["batch_id"]) == ([], None)


async def test_outputs_that_can_not_be_read_are_refused(world: GatewayHarness) -> None:
    for more in ("no JSON", {"preset": "jd"}, [{"present": "jd"}], [{"size_px": "wide"}]):
        answer = await submit(world, more)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request"), answer.text
    unknown = await submit(world, [{"preset": "nowhere"}])
    assert unknown.status_code == 422
    too_many = await submit(world, [{}] * 20)
    assert (too_many.status_code, too_many.json()["error"]["details"][0]["field"]) == (422, "more_options")
    assert await world.service.tasks("ann") == []


async def test_lists_that_are_too_long_are_rejected_before_anything_is_made_of_them(world: GatewayHarness) -> None:
    """Each hint applies to each output: 16 KiB of either were a million messages."""
    region = '{"kind":"keep","region":{"left":0,"top":0,"right":1,"bottom":1}}'
    hints = f"[{','.join([region] * 240)}]"
    for form, field in (
        ({"more": [{}] * 4000, "hints": hints}, "hints"),
        ({"more": [{}] * 4000}, "more_options"),
        ({"more": [1] * 4000}, "more_options"),
        ({"more": [{str(number): 1 for number in range(1000)}]}, "more_options"),
    ):
        answer = await submit(world, form.pop("more"), **form)
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["field"].startswith(field)
        assert len(answer.content) < 10_000
    assert await world.service.tasks("ann") == []
