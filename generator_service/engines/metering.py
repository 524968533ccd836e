"""Measures what an attempt uses. Engines report paid calls to the meter of the current attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from generator_service.domain.task_options import Engine
from generator_service.domain.usage import Usage
from generator_service.engines.work_timeout import WorkTimeout

_MICROS = 1_000_000

_current: ContextVar[AttemptMeter | None] = ContextVar("attempt_meter", default=None)


@dataclass(slots=True)
class AttemptMeter:
    """Usage of one attempt: the work of each engine, by the clock of the attempt's timeout, and paid calls."""

    engine: Engine | None = None
    """The engine in use; None before one is chosen."""
    _counted: Usage = field(default_factory=Usage)
    _clock: WorkTimeout | None = None
    _since: float = 0.0
    _on_call: Callable[[], None] | None = None

    @contextmanager
    def measuring(self, clock: WorkTimeout, *, on_call: Callable[[], None]) -> Iterator[None]:
        """Measure the block by a timeout that has begun; ``on_call`` is called when a paid call begins."""
        self._clock, self._on_call = clock, on_call
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self._counted = self.usage()
            self._clock = None

    def use(self, engine: Engine) -> None:
        """Count work for this engine from now on."""
        self._counted = self.usage()
        self.engine = engine
        self._since = 0.0 if self._clock is None else self._clock.worked

    def usage(self) -> Usage:
        """Return the usage up to now."""
        if self._clock is None or self.engine is None:
            return self._counted
        worked = max(0.0, self._clock.worked - self._since)
        return self._counted + Usage.of_engine(self.engine, round(worked * _MICROS))

    def add(self, used: Usage) -> None:
        """Count paid usage."""
        self._counted += used
        if used.gemini_calls and self._on_call is not None:
            self._on_call()


def count_call() -> None:
    """Count a call to Gemini that begins, for the current attempt if there is one."""
    if (meter := _current.get()) is not None:
        meter.add(Usage(gemini_calls=1))


def count_tokens(tokens: Mapping[str, int]) -> None:
    """Count the tokens of a reply of Gemini: ``prompt`` is input, every other kind is output."""
    if (meter := _current.get()) is not None:
        read = tokens.get("prompt", 0)
        meter.add(Usage(gemini_input_tokens=read, gemini_output_tokens=sum(tokens.values()) - read))
