"""What everyone who counts open sockets offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Place:
    """One socket's place among those that its user may have open."""

    user_id: str
    name: str
    """No other place of any gateway is called so."""


class Places(Protocol):
    """Gives each user only so many places at the same time."""

    async def take(self, user_id: str) -> Place | None:
        """Return a place, to be given back; None if all are taken."""
        ...

    async def give_back(self, place: Place) -> None:
        """Let others have the place. A second time changes nothing."""
        ...
