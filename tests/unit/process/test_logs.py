"""The format of log lines."""

from __future__ import annotations

import json
import logging
from typing import Any

from whitebg_process.logs import JsonFormatter
from ws_gateway.telemetry import request_id


def line(**record: Any) -> dict[str, Any]:
    made = logging.makeLogRecord({"name": "ws_gateway.test", "levelname": "INFO", "msg": "hello"} | record)
    text = JsonFormatter(request_id.fields).format(made)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_is_one_json_object_with_every_extra_field() -> None:
    parsed = line(msg="%d sockets\nleft", args=(3,), created=0.5, code=4200, user_id="杯")
    assert parsed == {
        "time": "1970-01-01T00:00:00.500000+00:00",
        "level": "INFO",
        "logger": "ws_gateway.test",
        "message": "3 sockets\nleft",
        "code": 4200,
        "user_id": "杯",
    }


def test_lines_within_a_request_carry_its_id() -> None:
    token = request_id.current.set("r-1")
    try:
        assert line()["request_id"] == "r-1"
    finally:
        request_id.current.reset(token)
    assert "request_id" not in line()


def test_a_failure_is_told_with_its_trace() -> None:
    error = ValueError("no such cup")
    parsed = line(exc_info=(type(error), error, None))
    assert parsed["error"] == "ValueError: no such cup"


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line(where=logging.INFO, thing={1, 2}.__class__)["thing"] == "<class 'set'>"
