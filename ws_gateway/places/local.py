"""Places of a gateway that is the only one."""

from __future__ import annotations

from ws_gateway.places.contract import Place
from ws_gateway.places.held import Held


class LocalPlaces:
    """Counts the sockets of this process; see `ws_gateway.places.contract.Places`."""

    def __init__(self, held: Held) -> None:
        self._held = held

    async def take(self, user_id: str) -> Place | None:
        """Return a place; None if all are taken."""
        if not self._held.room(user_id):
            return None
        place = self._held.new(user_id)
        self._held.add(place)
        return place

    async def give_back(self, place: Place) -> None:
        """Let others have the place."""
        self._held.discard(place)
