"""HTTP requests as bytes: every route of the gateway, with broken parameters, headers, forms and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.api import SECRET, TINY
from tools.fuzz.cases import HttpCase
from tools.fuzz.grpc_calls import Known
from tools.fuzz.values import MALLORY, VICTIM, bearer_tokens, cursors, numbers, shares, texts, times, user_ids
from ws_gateway.app import create_app
from ws_gateway.settings import Settings

_VERBS = {"get", "post", "put", "patch", "delete"}
_OTHER_PATHS = (
    "/",
    "/docs",
    "/openapi.json",
    "/assets/none.js",
    "/assets/..%2f..%2fsettings.py",
    "/ws/notifications",
    "/metrics",
    "/%c0%af",
    "//",
    "/api/v2/tasks/",
    "*",
    "http://[/",
    "/;/..",
)
_ODD_HEADERS = (
    b"Host: [",
    b"Host: \xff",
    b"Host: a b",
    b"Host: 127.0.0.1:99999999",
    b"Host: [::1]]:80",
    b"Content-Length: 5",
    b"Content-Length: " + b"9" * 5000,
    b"Content-Length: -1",
    b"Content-Length: +3",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Range: bytes=-0",
    b"Range: bytes=99999999999999999999-",
    b"Range: bytes=5-1,2-3",
    b'If-None-Match: W/"\xff", *',
    b"If-Range: \xff",
    b"Origin: http://[",
    b"Origin: null",
    b"Origin: http://\xff:99999",
    b"Sec-Fetch-Site: cross-site",
    b"Accept-Encoding: gzip;q=1e400, *;q=",
    b"Accept-Encoding: " + b"gzip;q=0.5," * 500,
    b"X-Forwarded-For: [::1, \xff, 1.2.3.4:99999",
    b"X-Request-ID: " + b"\xff" * 100,
    b"X-Forwarded-Proto: \xff",
    b"X-Forwarded-Host: [",
    b"Idempotency-Key: \xff\xfe",
    b"Idempotency-Key: " + b"k" * 300,
    b"traceparent: 00-\xff",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: \xff",
    b"Sec-WebSocket-Version: 13",
    b"Cookie: \xff=;;=",
    b"Header-Without-Colon",
    b": empty",
    b" folded: 1",
    b"X: " + b"a" * 70_000,
)
_CHARSETS = (
    "utf-8",
    "utf-7",
    "utf-16",
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "hex",
    "\xff",
    "undefined",
)
_DISPOSITIONS = (
    b'form-data; name="file"; filename="a.png"',
    b"form-data; name=file; filename*=utf-7''%2BAAA-",
    b"form-data; name=file; filename*=unicode_escape''%5Cud800",
    b"form-data; name=file; filename*=idna''xn--%ff",
    b'form-data; name="file"; filename="=?utf-7?q?+2AA-?="',
    b'form-data; name="file"; filename="=?unicode_escape?q?=5Cud800?="',
    b'form-data; name="file"; filename="=?utf-8?b?====?="',
    b'form-data; name="file"; filename="\\ud800.png"',
    b'form-data; name="file"; filename="' + b"a" * 9000 + b'"',
    b'form-data; name="mask"; filename=""',
    b'form-data; name="mask"; filename="m.png"',
    b'form-data; name="fill"',
    b'form-data; name="hints"',
    b'form-data; name="more_options"',
    b'form-data; name="prompt"',
    b'form-data; name="\\ud800"',
    b'form-data; name="\xff"',
    b"form-data",
    b"",
    b'attachment; name="file"; filename="x"',
)
_PARTS = (
    TINY,
    b"",
    b"0.5",
    b"\\ud800",
    b"+2AA-",
    b"\xff\xfe",
    b"NaN",
    b"1e999",
    b"[" * 5000,
    b'[{"kind":"keep","region":{"left":NaN,"top":0,"right":1e999,"bottom":1}}]',
    b'[{"kind":"keep","region":{"left":0,"top":0,"right":1,"bottom":1},"\\ud800":1}]',
    b'[{"preset":"\\ud800"}]',
    b'[{"size_px":' + b"9" * 5000 + b"}]",
    b"9" * 5000,
)


@cache
def _operations() -> Sequence[tuple[str, str, Sequence[str], bool]]:
    """Return the verb, path, query names and whether there is a body of each operation."""
    document = create_app(Settings(jwt_secret=SecretStr(SECRET))).openapi()
    found: list[tuple[str, str, Sequence[str], bool]] = [
        ("GET", path, ("token", "since"), False) for path in _OTHER_PATHS
    ]
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            if verb in _VERBS:
                names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
                found.append((verb.upper(), path, names, "requestBody" in operation))
    return found


@st.composite
def http_cases(draw: st.DrawFn, known: Known) -> HttpCase:
    """Draw one request, perhaps with damaged bytes."""
    verb, path, names, has_body = draw(st.sampled_from(_operations()))
    if draw(st.integers(0, 19)) == 0:
        verb = draw(st.sampled_from(("HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "G\u00c9T", "")))
    target = re.sub(r"{(\w+)}", lambda _: draw(_path_values(known)), path)
    query = [(name, draw(_query_value(name))) for name in names if draw(st.booleans())]
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(texts), draw(texts)))
    if query:
        target += "?" + "&".join(f"{quote(name)}={_quoted(value, draw)}" for name, value in query)
    headers = [b"Host: 127.0.0.1", *draw(_authorization(known))]
    body = b""
    if has_body or draw(st.integers(0, 29)) == 0:
        kind, body = draw(_bodies())
        headers.append(b"Content-Type: " + kind)
    chunked = draw(st.integers(0, 19)) == 0
    headers.append(b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body))
    if draw(st.integers(0, 3)) == 0:
        headers += draw(st.lists(st.sampled_from(_ODD_HEADERS), max_size=3))
        headers = headers[draw(st.integers(0, 1)) :]
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    head = f"{verb} {target} HTTP/1.1\r\n".encode(errors="replace") + b"\r\n".join(headers)
    raw = head + b"\r\nConnection: close\r\n\r\n" + body
    if draw(st.integers(0, 14)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=6)) + raw[at + draw(st.integers(0, 6)) :]
    return HttpCase(raw)


def _quoted(value: str, draw: st.DrawFn) -> str:
    return (
        quote(value, safe="") if draw(st.integers(0, 9)) else draw(st.sampled_from(("%", "%ff%fe", "%ed%a0%80", "%00")))
    )


def _path_values(known: Known) -> st.SearchStrategy[str]:
    ids = st.sampled_from(list(known.task_ids)).map(str)
    kinds = st.sampled_from(("input", "result", "thumbnail", "mask"))
    odd = st.sampled_from(("%00", "%ff", "..", "%2e%2e%2f", "1.0", "1e3", "9" * 400, "%ed%a0%80", "a\u0301"))
    return ids | ids | kinds | kinds | numbers.map(str) | odd | texts.map(lambda text: quote(text, safe=""))


def _query_value(name: str) -> st.SearchStrategy[str]:
    match name:
        case "since":
            return cursors | times
        case "page_token":
            return cursors
        case "user":
            return user_ids
        case "exp" | "iat" | "skip" | "limit":
            return numbers.map(str) | texts
        case "wait" | "timeout":
            return st.sampled_from(("0", "0.01", "-1", "nan", "inf", "1e400", "121")) | texts
        case _:
            return texts | st.sampled_from(("true", "1", "failed", "pending"))


def _authorization(known: Known) -> st.SearchStrategy[list[bytes]]:
    user, root = known.sign(MALLORY), known.sign("root", scope="tasks admin")
    good = st.sampled_from([[f"Authorization: Bearer {each}".encode()] for each in (user, user, user, root)])
    odd = bearer_tokens(known.sign).map(
        lambda token: [
            b"Authorization: Bearer " + token.encode(errors="replace").replace(b"\r", b"").replace(b"\n", b"")
        ]
    )
    other = st.sampled_from(([], [b"Authorization: Basic \xff"], [b"Authorization: Bearer"], [b"Authorization:"]))
    return good | good | odd | other


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2 | 3:
            return b"application/json", draw(_json_bodies())
        case 4:
            return draw(st.sampled_from((b"", b"text/plain", b"\xff", b"application/json; charset=utf-7"))), draw(
                st.binary(max_size=60)
            )
        case _:
            return draw(_forms())


_json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | shares | texts | times | cursors,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
_FIELDS = (
    "task_ids",
    "all",
    "batch_id",
    "user_id",
    "session_id",
    "since",
    "flags",
    "name",
    "enabled",
    "engine",
    "status",
)


def _json_bodies() -> st.SearchStrategy[bytes]:
    named = st.dictionaries(st.sampled_from(_FIELDS), _json_values | st.lists(numbers, max_size=3), max_size=3)
    harmless = named.filter(lambda body: body.get("user_id") not in (MALLORY, VICTIM, "root"))
    odd = st.sampled_from(
        (
            b"",
            b"[" * 20_000,
            b'{"a":' * 20_000,
            b'{"user_id": "\\ud800"}',
            b'{"\\ud800": 1}',
            b'{"since": "\\ud800"}',
            b'{"task_ids": [' + b"9" * 5000 + b"]}",
            b'{"task_ids": [1e400, NaN, Infinity]}',
            b"\xff\xfe{\0}\0",
            b"\xef\xbb\xbf{}",
            b'{"task_ids": [' + b"1," * 2000 + b"1]}",
        )
    )
    return harmless.map(lambda body: json.dumps(body).encode()) | odd


@st.composite
def _forms(draw: st.DrawFn) -> tuple[bytes, bytes]:
    boundary = draw(st.sampled_from((b"b", b"b" * 70, b"b", b"b", b"\xff", b"")))
    kind = b"multipart/form-data; boundary=" + boundary
    if draw(st.integers(0, 2)) == 0:
        kind += b"; charset=" + draw(st.sampled_from(_CHARSETS)).encode("latin-1")
    body = b""
    for _ in range(draw(st.sampled_from((1, 1, 2, 2, 3, 20)))):
        head = b"Content-Disposition: " + draw(st.sampled_from(_DISPOSITIONS))
        if draw(st.integers(0, 9)) == 0:
            head += b"\r\n" + draw(st.sampled_from((b"Content-Type: \xff", b"X: " + b"a" * 9000, b"Content-Length: 9")))
        body += b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + draw(st.sampled_from(_PARTS)) + b"\r\n"
    return kind, body + draw(st.sampled_from((b"--" + boundary + b"--\r\n", b"--" + boundary + b"--\r\n", b"")))
