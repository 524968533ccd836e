"""Origins in settings are compared in the form that browsers send."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ws_gateway.auth.origins import normalise_origin
from ws_gateway.settings import Settings


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80/", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("https://münchen.example:8443", "https://xn--mnchen-3ya.example:8443"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("tauri://localhost", "tauri://localhost"),
        ("null", "null"),
    ],
)
def test_origin_is_normalised(text: str, origin: str) -> None:
    assert normalise_origin(text) == origin


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("*", "list each one"),
        ("https://*.shop.example", "use https://host"),
        ("shop.example", "use https://host"),
        ("https://", "use https://host"),
        ("http://[", "use https://host"),
        ("https://shop.example:port", "use https://host"),
        ("https://shop.example/page", "use https://shop.example"),
        ("https://user@shop.example:8443", "use https://shop.example:8443"),
        ("https://shop.example?x=1", "use https://shop.example"),
    ],
)
def test_anything_else_is_rejected_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="origin") as rejected:
        normalise_origin(text)
    assert remedy in str(rejected.value)
    with pytest.raises(ValidationError, match="allowed_origins"):
        Settings(jwt_secret="s" * 48, allowed_origins=text)  # type: ignore[arg-type]  # as from the environment
