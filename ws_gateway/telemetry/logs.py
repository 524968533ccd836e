"""Logs: one JSON object a line on standard error. Values passed as ``extra`` become fields."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

from ws_gateway.telemetry import request_id

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as JSON, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identity := request_id.current.get():
            line["request_id"] = identity
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logs(level: str) -> None:
    """Send all logs to standard error, and keep quiet those that would write tokens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Below this, uvicorn and websockets write the request lines of WebSockets, and with them tokens.
    for noisy in ("uvicorn", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
