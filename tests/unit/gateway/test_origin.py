"""Host names of this machine, and origins of other sites."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from ws_gateway.auth.request_origin import is_foreign, is_local_host


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:8000", "127.255.3.99:1", "[::1]", "[::1]:8000"),
        *("studio.lan", "studio.lan:8000", "STUDIO.lan"),
    ],
)
def test_names_of_this_machine(host: str) -> None:
    assert is_local_host(headers(("host", host)), ["studio.lan"])


@pytest.mark.parametrize(
    "host",
    [
        *("", "a{b}.evil.test", "a{b}.evil.test:8000", "evil.test", "localhost.evil.test", "127.0.0.1.evil.test"),
        *("evil.test@localhost", "localhost@evil.test", "localhost:80@evil.test", "localhost:", "localhost:port"),
        *("::1", "[::1", "[::2]", "127.0.0.256", "127.0.0", "0.0.0.0", "localhost\n", "localhost, evil.test"),
        *("studioxlan", "xstudio.lan", "studio.lan.evil.test", "[::1].evil.test", " localhost", "127.٠.0.1"),
    ],
)
def test_names_of_others(host: str) -> None:
    raw = Headers(raw=[(b"host", host.encode())])
    assert not is_local_host(raw, ["studio.lan"])


def test_two_hosts_are_none() -> None:
    assert not is_local_host(headers())
    assert not is_local_host(headers(("host", "localhost"), ("host", "localhost")))
    assert not is_local_host(headers(("host", "evil.test"), ("host", "localhost")))


HOST = ("host", "img.example:8000")


@pytest.mark.parametrize(
    ("pairs", "foreign"),
    [
        ([HOST], False),
        ([HOST, ("origin", "http://img.example:8000")], False),
        ([HOST, ("origin", "https://IMG.example:8000")], False),
        ([HOST, ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")], False),
        ([HOST, ("sec-fetch-site", "same-origin")], False),
        ([HOST, ("sec-fetch-site", "none")], False),
        ([HOST, ("origin", "http://img.example")], True),
        ([HOST, ("origin", "http://evil.test")], True),
        ([HOST, ("origin", "http://[")], True),
        ([HOST, ("origin", "null")], True),
        ([HOST, ("origin", "")], True),
        ([HOST, ("origin", "http://img.example:8000/")], True),
        ([HOST, ("origin", "tauri://img.example:8000")], True),
        ([HOST, ("origin", "http://img.example:8000"), ("origin", "http://evil.test")], True),
        ([HOST, ("sec-fetch-site", "cross-site")], True),
        ([HOST, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], True),
        ([("origin", "http://img.example:8000")], True),
        ([HOST, ("host", "evil.test"), ("origin", "http://evil.test")], True),
    ],
)
def test_pages_of_other_origins(pairs: list[tuple[str, str]], foreign: bool) -> None:
    assert is_foreign(headers(*pairs), ["https://app.example"]) is foreign
