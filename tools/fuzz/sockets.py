"""WebSocket sessions: handshakes with odd tokens and cursors, and frames that are nearly of the protocol."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import strategies as st

from tools.fuzz.cases import SocketCase
from tools.fuzz.grpc_calls import Known
from tools.fuzz.values import MALLORY, bearer_tokens, cursors, numbers, shares, texts, times

_RAW = (
    b"\x81",
    b"\x89\xfe\xff\xff\0\0\0\0",
    b"\xff" * 20,
    b"\x88\x80\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xe9",
    b"\x88\x83\0\0\0\0\x03\xe8\xff",
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    b"\x01\x81\0\0\0\0a\x01\x81\0\0\0\0b",
    b"\x81\x82\0\0\0\0\xff\xfe",
    b"\xc1\x81\0\0\0\0a",
)


@st.composite
def socket_cases(draw: st.DrawFn, known: Known) -> SocketCase:
    """Draw one session."""
    good = known.sign(MALLORY)
    tokens = bearer_tokens(known.sign)
    query = ""
    frames: list[str | bytes] = []
    if draw(st.integers(0, 4)):
        query = f"token={good if draw(st.integers(0, 3)) else quote(draw(tokens), safe='')}"
    else:
        frames.append(json.dumps({"type": "auth", "token": good if draw(st.booleans()) else draw(tokens)}))
    if draw(st.booleans()):
        query += f"&since={quote(draw(cursors | times), safe='')}"
    if draw(st.booleans()):
        query += f"&ack={draw(st.sampled_from(('0', '1', '%ff')))}"
    frames += draw(st.lists(_frames(), max_size=4))
    raw = draw(st.sampled_from(_RAW)) if draw(st.integers(0, 7)) == 0 else b""
    return SocketCase(query, draw(st.booleans()), frames, raw)


def _frames() -> st.SearchStrategy[str | bytes]:
    values = texts | numbers | shares | st.none() | st.booleans() | cursors | times | st.lists(texts, max_size=2)
    kinds = st.sampled_from(("ping", "pong", "sync", "ack", "auth")) | values
    messages = st.fixed_dictionaries(
        {"type": kinds}, optional={"since": values, "message_id": values, "token": values, "extra": values}
    )
    nested = st.sampled_from((10, 900, 1000, 1020, 1024, 5000)).flatmap(
        lambda depth: st.sampled_from(
            (
                '{"type":' + "[" * depth + "]" * depth + "}",
                '{"type":"sync","since":' + '{"a":' * depth + "1" + "}" * depth + "}",
                '{"type":"ack","message_id":' + "[" * depth + "]" * depth + "}",
            )
        )
    )
    odd = st.sampled_from(
        (
            "",
            "null",
            "[]",
            '{"type":"ping"',
            '{"type":"ping","type":"sync"}',
            '{"type":"\\ud800"}',
            '{"type":"auth","token":"\\udc00"}',
            '{"type":' + "9" * 5000 + "}",
            '{"type":"sync","since":"' + "a" * 60_000 + '"}',
            '{"type":"ping","x":"' + "é" * 40_000 + '"}',
            "x" * 70_000,
        )
    )
    return messages.map(json.dumps) | nested | odd | texts | st.binary(max_size=40)
