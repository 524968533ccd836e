"""The HTTP API: tasks, errors, images, sync, operations."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import httpx
import pytest

from generator_service.domain.presets import PRESETS
from generator_service.domain.task_options import Content, Shadow
from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import GatewayHarness
from tests.support.driven_service import PICTURE, THUMBNAIL, DrivenService
from ws_gateway.auth.image_urls import Link
from ws_gateway.settings import Settings

PHOTO = PICTURE


def photo(data: bytes = PHOTO, name: str = "cup.png") -> dict[str, Any]:
    return {"file": (name, data, "image/png")}


async def submit(world: GatewayHarness, user: str = "ann", **options: Any) -> dict[str, Any]:
    answer = await world.http.post("/api/v2/tasks", headers=world.headers(user), files=photo(), data=options)
    assert answer.status_code == 202, answer.text
    task: dict[str, Any] = answer.json()
    return task


class TestSubmit:
    """Submitting a photo."""

    async def test_a_photo_becomes_a_pending_task(self, world: GatewayHarness) -> None:
        options = {"engine": "local", "preset": "amazon", "format": "jpeg", "size_px": "900", "fill": "0.9"}
        answer = await world.http.post(
            "/api/v2/tasks",
            headers=world.headers(),
            files=photo(name="../../杯.png"),
            data=options | {"background": "#FFFFFF", "prompt": ""},
        )
        task = answer.json()
        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/api/v2/tasks/{task['task_id']}"
        assert (task["status"], task["state"], task["progress"], task["result"]) == ("pending", "pending", 0, None)
        assert task["options"] == {
            "engine": "local",
            "preset": "amazon",
            "format": "jpeg",
            "size_px": 900,
            "fill": 0.9,
            "margin": None,
            "background": "#FFFFFF",
            "shadow": "none",
            "content": "picture",
            "prompt": "",
            "hints": [],
            "rotation": 0.0,
            "move_x": 0.0,
            "move_y": 0.0,
            "scale": 1.0,
            "crop": None,
        }
        stored = await world.service.task(task["task_id"])
        assert await world.service.image(stored.input.blob) == PHOTO

    async def test_shadow_content_and_margin_reach_the_service(self, world: GatewayHarness) -> None:
        task = await submit(world, shadow="contact", content="transparent", margin="0")
        options = task["options"]
        assert (options["shadow"], options["content"], options["margin"]) == ("contact", "transparent", 0.0)
        stored = (await world.service.task(task["task_id"])).options
        assert (stored.margin, stored.shadow, stored.content) == (0.0, Shadow.CONTACT, Content.TRANSPARENT)

    async def test_a_position_by_hand_reaches_the_service(self, world: GatewayHarness) -> None:
        crop = {"left": 0.0, "top": 0.25, "right": 0.5, "bottom": 1.0}
        asked: dict[str, Any] = {"rotation": -12.5, "move_x": 0.1, "move_y": -0.2, "scale": 1.5}
        task = await submit(world, **asked, crop=json.dumps(crop), more_options=json.dumps([asked | {"crop": crop}]))
        for each in (task, *task["more_tasks"]):
            assert {name: each["options"][name] for name in (*asked, "crop")} == asked | {"crop": crop}
        for name, value in (("rotation", "190"), ("scale", "9"), ("move_x", "0.7"), ("crop", "[1, 2]")):
            answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=photo(), data={name: value})
            assert answer.status_code == 422, answer.text
            assert name in answer.text

    async def test_a_stored_result_answers_where_it_may(self, world: GatewayHarness) -> None:
        task = await submit(world)
        path, headers = "/api/v2/tasks", world.headers()
        first = await world.http.post(f"{path}?reuse=true", headers=headers, files=photo())
        assert "Result-Reused" not in first.headers
        await world.service.work(task["task_id"])
        await world.service.complete(task["task_id"])
        again = await world.http.post(f"{path}?reuse=true", headers=headers, files=photo())
        assert (again.headers["Result-Reused"], again.json()["task_id"]) == ("true", task["task_id"])
        assert "Result-Reused" not in (await world.http.post(path, headers=headers, files=photo())).headers

    async def test_failed_attempts_are_counted_beside_those_allowed(self, world: GatewayHarness) -> None:
        task = await submit(world)
        await world.service.work(task["task_id"])
        await world.service.retry(task["task_id"])
        path = f"/api/v2/tasks/{task['task_id']}"
        failed = (await world.http.get(path, headers=world.headers())).json()
        assert (failed["attempt"], failed["failures"], failed["lost_leases"]) == (1, 1, 0)
        assert failed["failures"] < failed["max_attempts"]
        assert failed["created_at"] < failed["deadline"]

    async def test_engines_are_listed_with_what_the_missing_ones_need(self, world: GatewayHarness) -> None:
        answer = await world.http.get("/api/v2/engines", headers=world.headers())
        assert answer.status_code == 200
        engines = {each["name"]: each for each in answer.json()["engines"]}
        assert engines["local"] == {"name": "local", "available": True, "model": None, "hint": None}
        assert not engines["neural"]["available"]
        assert "whitebg models install" in engines["neural"]["hint"]
        assert (await world.http.get("/api/v2/engines")).status_code == 401

    async def test_presets_are_listed_with_their_rules(self, world: GatewayHarness) -> None:
        answer = await world.http.get("/api/v2/presets", headers=world.headers())
        assert answer.status_code == 200
        presets = {preset["name"]: preset for preset in answer.json()["presets"]}
        custom, amazon = presets["custom"], presets["amazon"]
        assert (custom["size_px"], custom["max_bytes"], custom["format"]) == (None, None, "png")
        assert (amazon["rule"], amazon["size_px"], amazon["format"]) == (PRESETS["amazon"].rule, 2000, "jpeg")
        assert (await world.http.get("/api/v2/presets")).status_code == 401

    async def test_the_same_key_is_the_same_task(self, world: GatewayHarness) -> None:
        headers = world.headers() | {"Idempotency-Key": "k1"}
        first = await world.http.post("/api/v2/tasks", headers=headers, files=photo())
        second = await world.http.post("/api/v2/tasks", headers=headers, files=photo())
        assert second.status_code == 202
        assert second.json()["task_id"] == first.json()["task_id"]
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        other = await world.http.post("/api/v2/tasks", headers=headers, files=photo(PHOTO + b"!"))
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
        assert "k1" in other.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("files", "data", "status", "code"),
        [
            (photo(b"this is text"), {}, 415, "image_not_recognised"),
            (photo(b""), {}, 422, "image_empty"),
            ({"photo": ("a.png", PHOTO)}, {}, 400, "file_missing"),
            (photo(), {"size_px": "big"}, 422, "invalid_request"),
            (photo(), {"fill": "nan"}, 422, "invalid_request"),
            (photo(), {"colour": "red"}, 422, "invalid_request"),
            (photo(), {"engine": "magic"}, 422, "invalid_request"),
            (photo(), {"preset": "unheard-of"}, 422, "invalid_request"),
            (photo(), {"prompt": "x" * 20_000}, 400, "bad_request"),
        ],
    )
    async def test_what_cannot_be_used_is_named(
        self, world: GatewayHarness, files: Any, data: Any, status: int, code: str
    ) -> None:
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=files, data=data)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert set(answer.json()["error"]) == {"code", "message", "details"}
        assert not await world.service.tasks("ann")

    @pytest.mark.parametrize(
        ("files", "data", "field"),
        [
            ([("file", ("a.png", PHOTO)), ("file", ("b.png", PHOTO)), ("file", ("c.png", PHOTO))], {}, "file"),
            ([("file", ("a.png", PHOTO)), ("mask", ("m.png", PHOTO)), ("mask", ("n.png", PHOTO))], {}, "mask"),
            (photo(), {"preset": ["amazon", "jd"]}, "preset"),
        ],
    )
    async def test_what_is_there_twice_is_refused_whole(
        self, world: GatewayHarness, files: Any, data: Any, field: str
    ) -> None:
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=files, data=data)
        assert answer.status_code == 422
        assert field in answer.text
        assert "send it once in each request" in answer.text
        assert not await world.service.tasks("ann")

    async def test_a_body_that_is_no_form(self, world: GatewayHarness) -> None:
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), json={"file": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_a_form")

    async def test_a_photo_that_is_too_large_is_refused(self, world: GatewayHarness) -> None:
        big = photo(PHOTO + bytes(25 * 1024 * 1024))
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=big)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "image_too_large")

    async def test_a_body_announced_as_too_large_is_refused_unread(self, world: GatewayHarness) -> None:
        reader, writer = await asyncio.open_connection(*world.base.split(":"))
        writer.write(
            b"POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()

    async def test_a_body_that_grows_too_large_is_refused(self, world: GatewayHarness) -> None:
        async def endless() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            for _ in range(34):
                yield bytes(1024 * 1024)

        headers = world.headers() | {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await world.http.post("/api/v2/tasks", headers=headers, content=endless())
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")

    async def test_a_body_that_ends_within_the_file_leaves_no_file_open(self, world: GatewayHarness) -> None:
        """An open file would be a warning, and so fail this test."""
        begun = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + bytes(2 * 1024 * 1024)
        headers = world.headers() | {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await world.http.post("/api/v2/tasks", headers=headers, content=begun)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "file_missing")
        gc.collect()

    async def test_a_small_body_route_takes_no_large_one(self, world: GatewayHarness) -> None:
        answer = await world.http.post("/api/messages/sync", headers=world.headers(), json={"since": "x" * 70_000})
        assert answer.status_code == 413

    async def test_the_quota_says_when_to_try_again(self, service: DrivenService, settings: Settings) -> None:
        await service.stop()
        await service.start(pending_per_user=1)
        async with running(service, settings) as world:
            await submit(world)
            answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=photo())
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["error"]["code"] == "quota_exceeded"

    async def test_without_a_token_the_body_is_not_even_looked_at(self, world: GatewayHarness) -> None:
        answer = await world.http.post("/api/v2/tasks", files=photo(b"junk"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
        weak = await world.http.post("/api/v2/tasks", headers=world.headers(scope="admin"), files=photo())
        assert (weak.status_code, weak.json()["error"]["code"]) == (403, "scope_missing")


class TestProcess:
    """Submitting a photo and waiting for its result."""

    async def test_it_answers_when_the_task_has_ended(self, world: GatewayHarness) -> None:
        request = asyncio.create_task(
            world.http.post("/api/v2/tasks", headers=world.headers(), files=photo(), params={"wait": 60})
        )
        async with world.open() as client:
            task_id = (await client.next())["task_id"] if not await world.service.tasks("ann") else 1
            await world.service.work(task_id)
            await world.service.complete(task_id)
        answer = await request
        assert (answer.status_code, answer.json()["state"]) == (200, "completed")

    async def test_it_answers_202_when_the_time_is_up(self, world: GatewayHarness) -> None:
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), files=photo(), params={"wait": 0.05})
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")

    async def test_it_does_not_wait_for_ever(self, world: GatewayHarness) -> None:
        answer = await world.http.post("/api/v2/tasks", headers=world.headers(), params={"wait": 121})
        assert answer.status_code == 422


class TestTasks:
    """Reading, cancelling and repeating tasks."""

    async def test_list_filters_and_pages(self, world: GatewayHarness) -> None:
        for _ in range(4):
            await submit(world)
        await submit(world, "bob")
        await world.service.work(1)
        await world.service.complete(1)
        await world.service.cancel(2)
        headers = world.headers()
        everything = (await world.http.get("/api/v2/tasks", headers=headers)).json()
        assert [task["task_id"] for task in everything["tasks"]] == [4, 3, 2, 1]
        assert (everything["total"], everything["cursor"]) == (4, "e0:7")
        page = (await world.http.get("/api/v2/tasks?skip=1&limit=2", headers=headers)).json()
        assert ([task["task_id"] for task in page["tasks"]], page["skip"], page["limit"]) == ([3, 2], 1, 2)
        failed = (await world.http.get("/api/v2/tasks?status=failed", headers=headers)).json()
        assert [(task["task_id"], task["status"], task["state"]) for task in failed["tasks"]] == [
            (2, "failed", "cancelled")
        ]
        assert (await world.http.get("/api/v2/tasks?status=odd", headers=headers)).status_code == 422
        assert (await world.http.get("/api/v2/tasks?limit=501", headers=headers)).status_code == 422

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/api/v2/tasks/{id}"),
            ("GET", "/api/v2/tasks/{id}/status"),
            ("POST", "/api/v2/tasks/{id}/cancel"),
            ("POST", "/api/v2/tasks/{id}/retry"),
            ("GET", "/images/{id}/input"),
        ],
    )
    async def test_a_task_of_somebody_else_does_not_exist(self, world: GatewayHarness, method: str, path: str) -> None:
        theirs = (await submit(world, "bob"))["task_id"]
        for task_id in (theirs, 4711):
            answer = await world.http.request(method, path.format(id=task_id), headers=world.headers("ann"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
        mine = await world.http.request(method, path.format(id=theirs), headers=world.headers("bob"))
        assert mine.is_success

    async def test_cancel_is_idempotent_but_does_not_undo(self, world: GatewayHarness) -> None:
        await submit(world)
        for _ in range(2):
            answer = await world.http.post("/api/v2/tasks/1/cancel", headers=world.headers())
            assert (answer.json()["state"], answer.json()["error_code"]) == ("cancelled", "cancelled")
        await submit(world)
        await world.service.work(2)
        await world.service.complete(2)
        answer = await world.http.post("/api/v2/tasks/2/cancel", headers=world.headers())
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")

    async def test_retry_makes_a_new_task_of_the_same_photo(self, world: GatewayHarness) -> None:
        await submit(world, preset="amazon")
        await world.service.work(1)
        await world.service.fail(1)
        answer = await world.http.post("/api/v2/tasks/1/retry", headers=world.headers())
        assert (answer.status_code, answer.json()["task_id"]) == (202, 2)
        assert answer.json()["options"]["preset"] == "amazon"
        assert answer.json()["filename"] == "cup.png"

    async def test_status_is_the_small_answer(self, world: GatewayHarness) -> None:
        await submit(world)
        await world.service.work(1)
        body = (await world.http.get("/api/v2/tasks/1/status", headers=world.headers())).json()
        assert (body["task_id"], body["status"], body["stage"]) == (1, "processing", "starting")
        assert "options" not in body


class TestImages:
    """Links to images."""

    async def link(self, world: GatewayHarness, kind: str = "result_image_url") -> str:
        await world.http.post("/api/v2/tasks", headers=world.headers(), files=photo(name="杯 cup.png"))
        await world.service.work(1)
        await world.service.complete(1, bytes(range(256)) * 1000)
        link: str = (await world.http.get("/api/v2/tasks/1", headers=world.headers())).json()[kind]
        return link

    async def test_a_link_needs_no_token(self, world: GatewayHarness) -> None:
        answer = await world.http.get(await self.link(world))
        assert answer.content == bytes(range(256)) * 1000
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Length"] == "256000"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        disposition = "inline; filename=\"_ cup-white.png\"; filename*=UTF-8''%E6%9D%AF%20cup-white.png"
        assert answer.headers["Content-Disposition"] == disposition
        saved = await world.http.get(await self.link_again(world) + "&download=true")
        assert saved.headers["Content-Disposition"].startswith("attachment;")

    async def link_again(self, world: GatewayHarness) -> str:
        link: str = (await world.http.get("/api/v2/tasks/1", headers=world.headers())).json()["result_image_url"]
        return link

    async def test_every_kind_has_its_own_link(self, world: GatewayHarness) -> None:
        thumbnail = await self.link(world, "thumbnail_url")
        assert (await world.http.get(thumbnail)).content == THUMBNAIL
        assert (await world.http.get(thumbnail.replace("thumbnail", "input"))).status_code == 403

    async def test_parts(self, world: GatewayHarness) -> None:
        link, data = await self.link(world), bytes(range(256)) * 1000
        part = await world.http.get(link, headers={"Range": "bytes=100000-199999"})
        assert (part.status_code, part.content) == (206, data[100_000:200_000])
        assert part.headers["Content-Range"] == "bytes 100000-199999/256000"
        end = await world.http.get(link, headers={"Range": "bytes=-7"})
        assert end.content == data[-7:]
        past = await world.http.get(link, headers={"Range": "bytes=256000-"})
        assert (past.status_code, past.headers["Content-Range"]) == (416, "bytes */256000")
        stale = await world.http.get(link, headers={"Range": "bytes=0-1", "If-Range": '"old"'})
        assert (stale.status_code, len(stale.content)) == (200, 256_000)

    async def test_what_the_client_has_is_not_sent_again(self, world: GatewayHarness) -> None:
        link = await self.link(world)
        etag = (await world.http.get(link)).headers["ETag"]
        again = await world.http.get(link, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert (await world.http.get(link, headers={"If-None-Match": '"old"'})).status_code == 200

    async def test_only_the_bytes_of_an_image_need_the_image_store(self, world: GatewayHarness) -> None:
        link = await self.link(world)
        etag = (await world.http.get(link)).headers["ETag"]
        result = (await world.service.task(1)).result
        assert result is not None
        await world.service.delete_image(result.blob)
        assert (await world.http.get(link, headers={"If-None-Match": etag})).status_code == 304
        head = await world.http.head(link)
        assert (head.status_code, head.headers["Content-Length"]) == (200, "256000")
        lost = await world.http.get(link)
        assert (lost.status_code, lost.json()["error"]["code"]) == (404, "image_not_found")

    async def test_a_changed_link_is_refused(self, world: GatewayHarness) -> None:
        link = await self.link(world)
        for changed in (link.replace("user=ann", "user=bob"), link[:-2], link.replace("/images/1", "/images/2")):
            answer = await world.http.get(changed)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "bad_signature")

    async def test_numbers_that_are_out_of_range_are_named(self, world: GatewayHarness) -> None:
        await self.link(world)
        for changed in ("exp=18446744073709551616", "exp=1000&iat=9999999999999"):
            answer = await world.http.get(f"/images/1/result?user=ann&{changed}&sig=x")
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")

    async def test_an_old_link_is_gone(self, world: GatewayHarness) -> None:
        await self.link(world)
        signature = world.server.gateway.image_urls.sign(Link(task_id=1, kind="result", user_id="ann", expires=1000))
        answer = await world.http.get(f"/images/1/result?user=ann&exp=1000&sig={signature}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "link_expired")

    async def test_without_link_the_owner_s_token_will_do(self, world: GatewayHarness) -> None:
        await self.link(world)
        assert (await world.http.get("/images/1/result", headers=world.headers())).status_code == 200
        assert (await world.http.get("/images/1/result")).status_code == 401
        assert (await world.http.get("/images/1/other", headers=world.headers())).status_code == 422

    async def test_there_is_no_result_before_the_end(self, world: GatewayHarness) -> None:
        await submit(world)
        answer = await world.http.get("/images/1/result", headers=world.headers())
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "image_not_found")


class TestSync:
    """Missed messages without a WebSocket."""

    async def post(self, world: GatewayHarness, since: str | None) -> httpx.Response:
        return await world.http.get("/api/v2/events", headers=world.headers(), params={"since": since or ""})

    async def test_it_says_the_same_as_the_socket(self, world: GatewayHarness) -> None:
        async with world.open() as client:
            for _ in range(3):
                await submit(world)
            messages = await client.until(lambda m: m.get("id") == "e0:3")
        body = (await self.post(world, "e0:1")).json()
        assert body["messages"] == messages[1:]
        assert {name: body[name] for name in ("mode", "reason", "cursor", "has_more")} == {
            "mode": "replay",
            "reason": None,
            "cursor": "e0:3",
            "has_more": False,
        }
        assert (await self.post(world, body["cursor"])).json()["messages"] == []

    async def test_without_a_cursor_it_is_a_snapshot(self, world: GatewayHarness) -> None:
        await submit(world)
        body = (await self.post(world, None)).json()
        assert (body["mode"], body["reason"], body["cursor"], len(body["messages"])) == (
            "snapshot",
            "requested",
            "e0:1",
            1,
        )

    async def test_much_comes_in_pages(self, world: GatewayHarness) -> None:
        for _ in range(501):
            await world.service.submit("ann")
        async with world.open(since="e0:500") as client:
            await client.next()
        first = (await self.post(world, "e0:0")).json()
        assert (len(first["messages"]), first["has_more"], first["cursor"]) == (500, True, "e0:500")
        second = (await self.post(world, first["cursor"])).json()
        assert (len(second["messages"]), second["has_more"], second["cursor"]) == (1, False, "e0:501")

    async def test_what_is_neither_cursor_nor_time(self, world: GatewayHarness) -> None:
        answer = await self.post(world, "yesterday")
        assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (422, "since")


class TestOperations:
    """Endpoints for operators."""

    async def test_the_queue_is_for_admins(self, world: GatewayHarness) -> None:
        await submit(world)
        assert (await world.http.get("/admin/queue/stats", headers=world.headers())).status_code == 403
        stats = (await world.http.get("/admin/queue/stats", headers=world.headers(scope="admin"))).json()
        assert (stats["tasks"], stats["epoch"], stats["connections"]) == ({"pending": 1}, "e0", 0)

    async def test_every_error_has_one_shape(self, world: GatewayHarness) -> None:
        for answer in (await world.http.get("/nowhere"), await world.http.put("/healthz")):
            assert set(answer.json()["error"]) == {"code", "message", "details"}

    async def test_the_api_is_documented(self, world: GatewayHarness) -> None:
        document = (await world.http.get("/openapi.json")).json()
        form = document["paths"]["/api/v2/tasks"]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert set(form["schema"]["properties"]) == {
            *("file", "engine", "preset", "format", "size_px", "fill", "margin", "background", "shadow", "content"),
            *("prompt", "hints", "mask", "more_options", "rotation", "move_x", "move_y", "scale", "crop"),
        }
        assert document["paths"]["/api/v2/tasks"]["post"]["responses"].keys() >= {"408", "413", "429"}
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert "security" not in operation or "503" in operation["responses"], (
                    f"{path}: no token can be checked before the revocations were read"
                )
        assert (await world.http.get("/docs")).status_code == 200

    async def test_a_request_keeps_its_id(self, world: GatewayHarness) -> None:
        answer = await world.http.get("/healthz", headers={"X-Request-ID": "abc-1"})
        assert answer.headers["X-Request-ID"] == "abc-1"
        forged = await world.http.get("/healthz", headers={"X-Request-ID": "a b"})
        assert forged.headers["X-Request-ID"] not in ("", "a b")


async def test_every_whole_number_of_a_request_has_a_range(world: GatewayHarness) -> None:
    """Without one, a number beyond 64 bits fails somewhere behind, with 500."""
    document = (await world.http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            for parameter in route.get("parameters", []):
                kinds = parameter["schema"].get("anyOf", [parameter["schema"]])
                for kind in (each for each in kinds if each.get("type") == "integer"):
                    bounds = kind.keys() & {"maximum", "exclusiveMaximum"}
                    assert bounds, f"{method} {path}: {parameter['name']}"
