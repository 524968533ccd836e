"""Settings of the Gemini engine, apart from the engine because Google's SDK takes most of a second to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from generator_service.engines.gemini.prompt import PROMPT


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings:
    """Connection, limits and prompt of the Gemini engine."""

    api_key: str = field(repr=False)
    model: str = "gemini-2.5-flash-image"
    base_url: str | None = None
    """None: Google's own address."""
    timeout: float = 120.0
    """Time limit of a whole call, in seconds."""
    concurrency: int = 4
    """Limit of concurrent calls; further calls wait."""
    calls_per_minute: int | None = None
    """Limit of calls started in any minute; further calls wait. None: no limit."""
    tries: int = 2
    """Most pictures requested until one shows the same, whole product."""
    prompt: str = PROMPT
    """Fixed part of the prompt; a task's own prompt is appended."""
    max_reply_bytes: int = 64 * 1024**2


CallObserver = Callable[[str, str, Mapping[str, int]], None]
"""Called after every call with the model, ``picture`` or the error's code, and the tokens used, by kind."""
