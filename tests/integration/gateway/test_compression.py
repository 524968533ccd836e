"""JSON is compressed for clients that accept it; pictures and short answers are not."""

from __future__ import annotations

import pytest

from tests.integration.gateway.world import GatewayHarness
from ws_gateway.http.compression import accepts_gzip


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*", True),
        ("*;q=0", False),
        ("br, identity", False),
    ],
)
def test_accept_encoding_is_read_as_the_rfc_defines_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


async def test_json_is_compressed_for_clients_that_accept_it(world: GatewayHarness) -> None:
    zipped = await world.http.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    plain = await world.http.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.json() == plain.json()
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert "Accept-Encoding" in zipped.headers["vary"]


async def test_short_json_is_sent_as_it_is(world: GatewayHarness) -> None:
    answer = await world.http.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.json() == {"status": "ok"}
