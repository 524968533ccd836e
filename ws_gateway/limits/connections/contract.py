"""What everyone who counts open sockets offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConnectionSlot:
    """One socket's slot among those that its user may have open."""

    user_id: str
    name: str
    """Unique among the slots of all gateways."""


class ConnectionLimiter(Protocol):
    """Limits how many slots each user holds at the same time."""

    async def take(self, user_id: str) -> ConnectionSlot | None:
        """Acquire a slot, to be given back later; None if all are taken."""
        ...

    async def release(self, place: ConnectionSlot) -> None:
        """Release the slot. A second call has no effect."""
        ...
