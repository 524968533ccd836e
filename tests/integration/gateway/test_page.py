"""The page as served by the gateway: complete, correctly cached, and unable to load anything from other origins."""

from __future__ import annotations

import re

from tests.integration.gateway.world import GatewayHarness
from ws_gateway.http.page import FILES


async def test_the_page_and_all_it_names_are_there_under_a_strict_policy(world: GatewayHarness) -> None:
    page = await world.http.get("/")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assets = [await world.http.get(each) for each in named]

    assert page.headers["cache-control"] == "no-cache"
    assert {each.rpartition(".")[2] for each in named} == {"js", "css", "svg"}
    for answer in (page, *assets):
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in str(policy)
    for answer in assets:
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_file_of_an_older_page_is_not_found_and_nothing_outside_can_be_asked_for(world: GatewayHarness) -> None:
    for path in ("/assets/index-old.js", "/assets/..%2Findex.html", "/assets/%2e%2e%2Findex.html"):
        answer = await world.http.get(path)
        assert answer.status_code == 404, path
    head = await world.http.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_page_is_compressed_where_the_client_accepts_it(world: GatewayHarness) -> None:
    for path in ("/", *(f"/{each}" for each in FILES if each.startswith("assets/"))):
        zipped = await world.http.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        plain = await world.http.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert zipped.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert zipped.content == plain.content
        assert "Accept-Encoding" in zipped.headers["vary"]
        assert "Accept-Encoding" in plain.headers["vary"]
        assert int(zipped.headers["content-length"]) <= len(FILES[path.removeprefix("/") or "index.html"].gzipped)


async def test_first_load_is_small(world: GatewayHarness) -> None:
    page = await world.http.get("/")
    named = re.findall(r'(?:src|href)="/([^"]+)"', page.text)
    languages = [each for each in FILES if re.match(r"assets/(en|zh)-", each)]
    assert len(languages) == 2
    assert not set(languages) & set(named), "only the language in use is loaded"
    language = max(len(FILES[each].gzipped) for each in languages)
    assert language + sum(len(FILES[each].gzipped) for each in ("index.html", *named)) < 175_000
    assert sum(len(each.plain) for each in FILES.values()) < 1_000_000
