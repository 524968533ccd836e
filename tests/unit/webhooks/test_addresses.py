"""Addresses that a webhook may connect to."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor

import pytest

from generator_service.webhooks.addresses import AddressRefused, require_public, require_url, resolve

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
    "64:ff9b:1::a00:1",
    "fec0::1",
    "4000::1",
)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_refused(text: str) -> None:
    with pytest.raises(AddressRefused, match="not a public address"):
        require_public(ipaddress.ip_address(text), ())


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(text: str) -> None:
    require_public(ipaddress.ip_address(text), ())


def test_an_operator_can_allow_a_network() -> None:
    allowed = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1"):
        require_public(ipaddress.ip_address(text), allowed)
    with pytest.raises(AddressRefused):
        require_public(ipaddress.ip_address("192.168.1.1"), allowed)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "ftp://a.example",
        "https://",
        "https://ann:secret@a.example",
        "https://a.example/#part",
        "https://a.example:99999/",
        "https://a.example/a b",
        "https://a.example/a\n",
        "https://a.example/a\0",
        "https://a\x7f.example/",
        "https://a.example/\u00e9",
        f"https://a.example/{'a' * 2000}",
        "a.example",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        require_url(url, allow_http=False)
    assert "secret" not in str(refused.value)


def test_plain_http_must_be_allowed() -> None:
    assert require_url("http://a.example/hook?key=1", allow_http=True)
    assert require_url("https://a.example:8443/hook", allow_http=False)


async def test_names_of_this_machine_are_refused() -> None:
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(AddressRefused, match="not a public address"):
            await resolve("localhost", 443, (), threads)
        allowed = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
        assert "127.0.0.1" in await resolve("localhost", 443, allowed, threads)
        with pytest.raises(AddressRefused, match="can't be resolved"):
            await resolve("name.invalid", 443, (), threads)
