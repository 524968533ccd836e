"""Standard HTTP behaviour: HEAD, file names of every client, page tokens, exposed headers, IPv6."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from generator_service.domain.task import Task
from tests.integration.gateway.conftest import running
from tests.integration.gateway.world import SECRET, GatewayHarness, token_for
from tests.support.api import TINY
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from ws_gateway.server import make_server
from ws_gateway.settings import Settings


async def started(service: DrivenService) -> Task:
    return await service.work((await service.submit("ann")).task_id)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/asyncapi.yaml", "/openapi.json", "/api/v2/presets", "/api/v2/tasks"]
)
async def test_head_sends_the_headers_of_get(world: GatewayHarness, path: str) -> None:
    got = await world.http.get(path, headers=world.headers())
    head = await world.http.head(path, headers=world.headers())
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in got.headers.items() if k not in varying
    }


async def test_head_of_an_image_sends_size_and_etag_and_reads_nothing(world: GatewayHarness) -> None:
    task = await world.service.complete((await started(world.service)).task_id)
    path = f"/images/{task.task_id}/result"
    got = await world.http.get(path, headers=world.headers())
    head = await world.http.head(path, headers=world.headers())
    assert got.content == PICTURE
    assert head.content == b""
    for name in ("content-length", "etag", "content-type", "content-disposition"):
        assert head.headers[name] == got.headers[name]
    ranged = await world.http.head(path, headers=world.headers() | {"Range": "bytes=0-9"})
    assert (ranged.status_code, ranged.headers["content-length"]) == (200, head.headers["content-length"])
    assert "content-range" not in ranged.headers


async def test_head_of_a_route_without_get_is_refused(world: GatewayHarness) -> None:
    assert (await world.http.head("/api/v2/ws-token", headers=world.headers())).status_code == 405


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b"filename*=UTF-8''%E6%9D%AF%E5%AD%90.png", "杯子.png"),
        (b'filename="=?UTF-8?B?5p2v5a2QLnBuZw==?="', "杯子.png"),
        (b'filename="a%22b.png"', 'a"b.png'),
        ('filename="杯子.png"'.encode(), "杯子.png"),
    ],
)
async def test_file_name_of_every_client_arrives(world: GatewayHarness, parameters: bytes, filename: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; ' + parameters + b"\r\n\r\n" + TINY + b"\r\n--x--\r\n"
    headers = world.headers() | {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await world.http.post("/api/v2/tasks", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["filename"] == filename


async def test_pages_by_token_repeat_nothing_while_tasks_arrive(world: GatewayHarness) -> None:
    before = [(await world.service.submit("ann")).task_id for _ in range(5)]
    seen: list[int] = []
    token = ""
    while True:
        query = {"limit": "2", "page_token": token}
        page = (await world.http.get("/api/v2/tasks", params=query, headers=world.headers())).json()
        seen += [task["task_id"] for task in page["tasks"]]
        await world.service.submit("ann")
        if not (token := page["next_page_token"]):
            break
    assert seen == before[::-1]
    refused = await world.http.get("/api/v2/tasks", params={"page_token": "x"}, headers=world.headers())
    assert refused.status_code == 422
    assert "page_token" in refused.text


async def test_allowed_origin_may_read_the_headers_of_images(service: DrivenService, settings: Settings) -> None:
    allowed = Settings.model_validate(settings.model_dump() | {"allowed_origins": "https://Shop.example:443/"})
    async with running(service, allowed) as world:
        task = await service.complete((await started(service)).task_id)
        headers = world.headers() | {"Origin": "https://shop.example", "Range": "bytes=0-9"}
        answer = await world.http.get(f"/images/{task.task_id}/result", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert {"ETag", "Content-Range", "Content-Disposition"} <= exposed


async def test_service_and_gateway_listen_on_ipv6(tmp_path: Path) -> None:
    service = DrivenService(tmp_path, SECRET, grpc_host="::1")
    await service.start()
    target = f"[::1]:{service.running.port}"
    server = make_server(Settings(http_host="::1", http_port=0, jwt_secret=SECRET, grpc_target=target))  # type: ignore[arg-type]
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
        async with http_client(f"http://[::1]:{server.port}") as http:
            headers = {"Authorization": f"Bearer {token_for('ann')}"}
            assert (await http.get("/api/v2/tasks", headers=headers)).status_code == 200
        server.should_exit = True
        await serving
    await service.stop()
