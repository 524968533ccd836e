"""Values that break parsers: numbers at the limits, texts of every kind, nearly right cursors, tokens and times."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tools.fuzz.tokens import STORED_EXPIRY

MALLORY, VICTIM = "mallory", "victim"
"""The user who calls, and the one whose data must not be returned."""

_SIGNED = (0, 1, -1, 2, 100, 1000, 100_000, 2**31 - 1, 2**31, -(2**31), 2**53, 2**62, 2**63 - 1, -(2**63))
_EPOCH = "0123456789abcdef"

awkward_texts = st.sampled_from(
    (
        "",
        "\0",
        "a\0b",
        "\r\nX-Injected: 1",
        "../../etc/passwd",
        "%00",
        "%s%n{0}",
        "'; DROP TABLE tasks;--",
        "\u202egnp.exe",
        "\ufeff",
        "é" * 300,
        "𝕏" * 80,
        "a" * 5000,
        "9" * 5000,
        "١٢٣",
        "[" * 3000,
        "None",
        "-0",
        "1e400",
        "NaN",
        "\ud7ff\ue000",
    )
)
texts = awkward_texts | st.text(max_size=40)
user_ids = st.sampled_from((MALLORY, VICTIM, "", "somebody else")) | texts
numbers = st.sampled_from(_SIGNED) | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 40)
shares = st.floats(width=64) | st.floats(0, 1) | st.sampled_from((0.0, -0.0, 1.0, 1e-320, 1e308))
cursors = (
    st.builds("{}:{}".format, st.sampled_from((_EPOCH, "0", "f" * 65, "")), numbers)
    | st.builds("{}:r{}".format, st.sampled_from((_EPOCH, "e0")), numbers)
    | st.sampled_from(("0", "-1", "9" * 18, "9" * 19, "٣", "1 ", "a:1:2", ":", "r"))
    | texts
)
times = (
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    | st.sampled_from(
        (
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.999999-23:59",
            "2026-01-08T10:00:00Z",
            "2026-01-08T10:00:00 00:00",
            "2026-13-45T99:99:99Z",
            "2026-W01-1T10+01",
            "+002026-01-08T10:00:00Z",
            "PT1H",
        )
    )
    | texts
)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_HEADERS = (
    '{"alg":"HS256","typ":"JWT"}',
    '{"alg":"none"}',
    '{"alg":["HS256"]}',
    '{"alg":"HS256","kid":5}',
    '{"alg":"HS256","crit":["b64"],"b64":false}',
    '{"alg":"HS256","x":' + "9" * 5000 + "}",
    "[" * 9000,
    '{"a":' * 9000,
    "null",
    "\ud7ff",
)
_CLAIMS = (
    {"sub": MALLORY, "aud": "whitebg", "exp": 253402300799, "scope": "tasks"},
    {"sub": MALLORY, "aud": "whitebg", "exp": STORED_EXPIRY, "nbf": -62135596800},
    {"sub": "", "aud": ["whitebg", 5], "exp": "soon"},
    {"sub": 5, "aud": None, "exp": 1e300},
)


def bearer_tokens(sign: Callable[..., str]) -> st.SearchStrategy[str]:
    """Return tokens that are damaged, forged or odd; ``sign`` makes one of a user, with these claims and a good key."""

    def signed(claims: dict[str, Any]) -> str:
        return sign(claims.get("sub", MALLORY), **{name: value for name, value in claims.items() if name != "sub"})

    made = st.sampled_from((VICTIM, MALLORY)).map(sign)
    odd_times: st.SearchStrategy[Any] = st.sampled_from(
        (253402300799, 253402300800, -62135596800, 1e300, -1, True, "0", None, [])
    )
    odd_claims = st.fixed_dictionaries(
        {},
        optional={
            "exp": odd_times | st.just(STORED_EXPIRY),
            "nbf": odd_times,
            "iat": odd_times,
            "sid": texts,
            "jti": texts | st.integers(),
            "scope": texts | st.integers() | st.just("tasks") | st.just(["tasks"]),
            "aud": st.sampled_from(("whitebg", ["whitebg"], "whitebg-ws", 5, None)),
        },
    )
    return (
        st.builds(
            "{}.{}.{}".format,
            st.sampled_from(_HEADERS).map(lambda text: _part(text.encode())),
            st.sampled_from(_CLAIMS).map(lambda claims: _part(json.dumps(claims).encode())),
            st.sampled_from(("", "AAAA", "A" * 43)),
        )
        | odd_claims.map(signed)
        | made.flatmap(lambda good: st.integers(0, len(good) - 1).map(lambda at: good[:at] + "A" + good[at + 1 :]))
        | st.sampled_from(("", "none", "wbk_", "wbk_" + "a" * 40, "wbk_" + "é" * 10, "wbk_" + "a" * 500))
        | texts
    )
