"""Web addresses in settings."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")


def split_address(url: str) -> SplitResult:
    """Split an address of any scheme.

    Raises:
        ValueError: it has no form of an address, or its port is none.

    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError("the port must be a number from 0 to 65535") from error
    return parts


def check_web_address(url: str, *, path: bool = True) -> str:
    """Return an address of a host and, if allowed, a ``path`` on it; it goes into headers and before further paths.

    Raises:
        ValueError: it is another one. The message has the remedy; it omits the address, which may hold a password.

    """
    parts = split_address(url)
    host = parts.netloc.removesuffix(":" if parts.port is None else f":{parts.port}")
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or re.search(r"[\s?#]", url):
        what = "a host in ASCII and perhaps a path" if path else "a host in ASCII"
        raise ValueError(f"must be https:// (or http://) and {what}, without name, password, query or fragment")
    if not path and parts.path not in {"", "/"}:
        raise ValueError(f"must end with the host or its port; {parts.path} is too much")
    return url
