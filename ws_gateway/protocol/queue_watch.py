"""An operator's watch of the whole queue: hints that it has changed, merged so that a busy queue costs little. Pure."""

from __future__ import annotations


class QueueWatch:
    """Decides when to hint at a change: at once, then at most once per ``interval`` seconds."""

    def __init__(self, interval: float) -> None:
        self.active = False
        """Whether the client watches the queue."""
        self._interval = interval
        self._changed = False
        self._earliest = 0.0

    def begin(self) -> None:
        """Start watching; the first hint is due at once."""
        self.active = self._changed = True

    def end(self) -> None:
        """Stop watching."""
        self.active = self._changed = False

    def change(self) -> None:
        """Note a change of the queue."""
        self._changed = self.active

    @property
    def next_due(self) -> float | None:
        """When the next hint is due; None before the next change."""
        return self._earliest if self._changed else None

    def take(self, now: float) -> bool:
        """Return whether to send a hint now."""
        if not self._changed or now < self._earliest:
            return False
        self._changed, self._earliest = False, now + self._interval
        return True
