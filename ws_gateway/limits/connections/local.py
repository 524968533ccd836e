"""Connection slots of a single gateway."""

from __future__ import annotations

from ws_gateway.limits.connections.contract import ConnectionSlot
from ws_gateway.limits.connections.held import Held


class LocalConnectionLimiter:
    """Counts the sockets of this process; see `ws_gateway.limits.connections.contract.ConnectionLimiter`."""

    def __init__(self, held: Held) -> None:
        self._held = held

    async def take(self, user_id: str) -> ConnectionSlot | None:
        """Acquire a slot; None if all are taken."""
        if not self._held.room(user_id):
            return None
        place = self._held.new(user_id)
        self._held.add(place)
        return place

    async def release(self, place: ConnectionSlot) -> None:
        """Release the slot."""
        self._held.discard(place)
