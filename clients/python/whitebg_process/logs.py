"""Logs: one JSON object per line on standard error. Values passed as ``extra`` become fields."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("alembic", "google_genai", "httpcore", "httpx", "httpx2", "uvicorn", "websockets")
"""Loggers of libraries that would write every request, and with it URLs and tokens: they are limited to warnings."""

Context = Callable[[], Mapping[str, object]]
"""Returns the fields that every line written now has in addition, such as the id of the present request."""


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON, with the fields of its context and those passed as ``extra``."""

    def __init__(self, context: Context = dict) -> None:
        super().__init__()
        self._context = context
        self._encode = json.JSONEncoder(default=str, ensure_ascii=False).encode

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._context(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return self._encode(line)


def configure_logs(level: str, context: Context = dict) -> None:
    """Send the logs of this process from ``level`` upwards to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(context))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
