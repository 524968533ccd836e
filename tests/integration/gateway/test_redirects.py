"""Images in a bucket that browsers reach: only authorized clients are redirected there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import SECRET, GatewayHarness
from tests.support.driven_service import THUMBNAIL, DrivenService
from tests.support.http import http_client
from tests.support.s3 import S3Server
from ws_gateway.auth.image_urls import Link
from ws_gateway.settings import Settings

PICTURE = bytes(range(256)) * 1000


@pytest.fixture
async def service(tmp_path: Path, s3: S3Server) -> AsyncIterator[DrivenService]:
    bucket: dict[str, Any] = s3.settings | {"s3_public_url": f"{s3.endpoint}/images"}
    service = DrivenService(tmp_path / "data", SECRET, **bucket)
    await service.start()
    assert not (tmp_path / "data" / "blobs").exists()
    yield service
    assert not (tmp_path / "data" / "blobs").exists()
    await service.stop()


@pytest.fixture
def settings(service: DrivenService, s3: S3Server) -> Settings:
    return Settings(
        http_port=0,
        jwt_secret=SECRET,  # type: ignore[arg-type]  # pydantic makes a SecretStr of it
        grpc_target=service.target,
        connections_per_minute=0,
        connections_per_address=0,
        failed_handshakes_per_minute=0,
        s3_public_url=f"{s3.endpoint}/images",
    )


async def links(world: GatewayHarness) -> dict[str, str]:
    """Complete a task; return the links to its images."""
    files = {"file": ("杯 cup.png", THUMBNAIL, "image/png")}
    submitted = await world.http.post("/api/v2/tasks", headers=world.headers(), files=files)
    assert submitted.status_code == 202, submitted.text
    await world.service.work(1)
    await world.service.complete(1, PICTURE)
    task = (await world.http.get("/api/v2/tasks/1", headers=world.headers())).json()
    return {kind: task[kind] for kind in ("result_image_url", "thumbnail_url", "input_image_url") if kind in task}


async def fetched(url: str, **headers: str) -> httpx.Response:
    """Fetch it from the bucket itself, as a browser does."""
    async with http_client() as browser:
        return await browser.get(url, headers=headers)


async def test_a_link_leads_to_the_bucket(world: GatewayHarness, s3: S3Server) -> None:
    link = (await links(world))["result_image_url"]
    answer = await world.http.get(link)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    location = answer.headers["Location"]
    assert location.startswith(f"{s3.endpoint}/images/")
    assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["600"]
    image = await fetched(location, Origin=f"http://{world.base}")
    assert (image.status_code, image.content) == (200, PICTURE)
    assert image.headers["Content-Type"] == "image/png"
    assert image.headers["Content-Disposition"] == (
        "inline; filename=\"_ cup-white.png\"; filename*=UTF-8''%E6%9D%AF%20cup-white.png"
    )
    part = await fetched(location, Range="bytes=100000-199999")
    assert (part.status_code, part.content) == (206, PICTURE[100_000:200_000])


async def test_a_download_is_saved_under_its_name(world: GatewayHarness) -> None:
    link = (await links(world))["result_image_url"]
    image = await fetched((await world.http.get(link + "&download=true")).headers["Location"])
    assert image.headers["Content-Disposition"].startswith('attachment; filename="_ cup-white.png"')


async def test_every_kind_is_there_and_a_client_that_follows_gets_it(world: GatewayHarness) -> None:
    found = await links(world)
    thumbnail = await world.http.get(found["thumbnail_url"], follow_redirects=True)
    assert (thumbnail.status_code, thumbnail.content) == (200, THUMBNAIL)
    photo = await world.http.get("/images/1/input", headers=world.headers(), follow_redirects=True)
    assert (photo.status_code, photo.content, photo.headers["Content-Type"]) == (200, THUMBNAIL, "image/jpeg")


def signed(world: GatewayHarness, expires: int) -> str:
    """Return a genuine link to ann's first result."""
    link = Link(task_id=1, kind="result", user_id="ann", expires=expires)
    return f"/images/1/result?user=ann&exp={expires}&sig={world.server.gateway.image_urls.sign(link)}"


async def test_who_may_not_see_it_is_not_sent_there(world: GatewayHarness) -> None:
    link = (await links(world))["result_image_url"]
    old = signed(world, 1000)
    refused = {
        old: 410,
        link.replace("user=ann", "user=bob"): 403,
        link[:-2]: 403,
        link.replace("/images/1", "/images/2"): 403,
        "/images/1/result": 401,
    }
    for changed, status in refused.items():
        answer = await world.http.get(changed)
        assert (answer.status_code, "Location" in answer.headers) == (status, False), changed
    theirs = await world.http.get("/images/1/result", headers=world.headers("bob"))
    assert (theirs.status_code, "Location" in theirs.headers) == (404, False)


async def test_a_link_that_ends_soon_leads_no_further_than_its_end(world: GatewayHarness) -> None:
    await links(world)
    exp = int((world.server.gateway.clock.now() + timedelta(seconds=30)).timestamp())
    answer = await world.http.get(signed(world, exp))
    (seconds,) = parse_qs(urlsplit(answer.headers["Location"]).query)["X-Amz-Expires"]
    assert 20 <= int(seconds) <= 30
    assert answer.headers["Cache-Control"] == f"private, max-age={int(seconds) // 2}"


async def test_the_page_may_load_images_from_there_and_from_nowhere_else(world: GatewayHarness, s3: S3Server) -> None:
    policy = (await world.http.get("/")).headers["Content-Security-Policy"]
    assert f"img-src 'self' blob: {s3.endpoint};" in policy
    assert f"connect-src 'self' {s3.endpoint};" in policy
    assert "script-src 'self';" in policy


async def test_a_gateway_that_is_told_nothing_sends_them_itself(service: DrivenService, settings: Settings) -> None:
    async with running(service, settings.model_copy(update={"s3_public_url": ""})) as world:
        image = await world.http.get((await links(world))["result_image_url"])
        assert (image.status_code, image.content) == (200, PICTURE)
        assert "img-src 'self' blob:;" in (await world.http.get("/")).headers["Content-Security-Policy"]


class TestServiceWithoutPublicUrl:
    """The gateway would redirect, but the service has no public URL."""

    @pytest.fixture
    async def service(self, tmp_path: Path, s3: S3Server) -> AsyncIterator[DrivenService]:
        bucket: dict[str, Any] = s3.settings
        service = DrivenService(tmp_path / "data", SECRET, **bucket)
        await service.start()
        yield service
        await service.stop()

    async def test_images_come_through_it(self, world: GatewayHarness) -> None:
        link = (await links(world))["result_image_url"]
        image = await world.http.get(link)
        assert (image.status_code, image.content) == (200, PICTURE)
        part = await world.http.get(link, headers={"Range": "bytes=-7"})
        assert (part.status_code, part.content) == (206, PICTURE[-7:])
