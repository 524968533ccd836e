"""Which page sent a request, and under which name it reached this gateway: Host, Origin and Sec-Fetch-Site. Pure.

Headers are compared as whole raw values. Parsing them is what lets a request through that a parser reads differently
than a browser does: a name such as ``a{b}.evil.test`` is no URL's host to one and a host like any other to the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers

_OCTET = r"(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])"
_LOOPBACK = rf"localhost|127(?:\.{_OCTET}){{3}}|\[::1\]"
_PORT = r"(?::\d{1,5})?"


def is_local_host(headers: Headers, names: Collection[str] = ()) -> bool:
    """Return whether the request's only Host header is a loopback name or one of ``names``, each with or without port.

    A page of another site whose name resolves to 127.0.0.1 (DNS rebinding) reaches this port under its own name.
    """
    allowed = "|".join([_LOOPBACK, *map(re.escape, names)])
    host = _only(headers, "host")
    return host is not None and re.fullmatch(f"(?:{allowed}){_PORT}", host, re.IGNORECASE | re.ASCII) is not None


def is_foreign(headers: Headers, allowed: Collection[str]) -> bool:
    """Return whether a page of an origin sent the request that is neither this host's nor one of ``allowed``.

    Requests that no page sent have neither header. Desktop apps (``tauri://…``) and frames without an origin (``null``)
    are origins like any other.
    """
    if "origin" not in headers:
        return "cross-site" in headers.getlist("sec-fetch-site")
    origin, host = _only(headers, "origin"), _only(headers, "host")
    if origin is None:
        return True
    if origin in allowed:
        return False
    return host is None or origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}")


def _only(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None
