"""Origins as browsers send them (RFC 6454). Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


def normalise_origin(text: str) -> str:
    """Return an origin in the form that browsers send: lower case, punycode, without a default port or a slash.

    Raises:
        ValueError: it is not an origin; the message names it and the remedy.

    """
    if text == "null":
        return text
    if text == "*":
        raise ValueError("'*' is not an origin; list each one, such as https://shop.example.com")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"{text!r} is not an origin ({error}); use https://host or https://host:port") from None
    if not _SCHEME.fullmatch(parts.scheme) or not host or "*" in host:
        raise ValueError(f"{text!r} is not an origin; use https://host or https://host:port")
    if parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is more than an origin; use {parts.scheme}://{host}{f':{port}' if port else ''}")
    if ":" in host:
        name = f"[{host}]"
    else:
        try:
            name = host.encode("ascii").decode() if host.isascii() else host.encode("idna").decode()
        except UnicodeError as error:
            raise ValueError(f"{text!r} has no valid host name ({error}); use https://host") from None
    shown = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{name}{shown}"
