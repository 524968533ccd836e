"""Web addresses in settings."""

from __future__ import annotations

import pytest

from whitebg_process.web_addresses import check_web_address


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "http://localhost:8000/",
        "https://[2001:db8::1]:8443/images",
        "https://xn--fiq228c.example/a/b",
        "https://minio_1:9000",
    ],
)
def test_hosts_and_paths_are_addresses(url: str) -> None:
    assert check_web_address(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https:///images",
        "https://user:secret@shop.example.com",
        "https://@shop.example.com",
        "https://shop.example.com?key=secret",
        "https://shop.example.com/#top",
        "https://shop.example.com/a b",
        "https://shop.example.com;script-src",
        "https://shop example.com",
        "https://中文.example",
    ],
)
def test_anything_else_is_rejected_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must be https://") as rejected:
        check_web_address(url)
    assert "secret" not in str(rejected.value)


@pytest.mark.parametrize("url", ["https://store:port", "https://store:70000", "https://store:-1"])
def test_a_port_is_a_number(url: str) -> None:
    with pytest.raises(ValueError, match="the port must be a number"):
        check_web_address(url)


def test_an_address_without_a_path_may_end_with_a_slash() -> None:
    assert check_web_address("https://store/", path=False) == "https://store/"
    with pytest.raises(ValueError, match="/images is too much"):
        check_web_address("https://store/images", path=False)
