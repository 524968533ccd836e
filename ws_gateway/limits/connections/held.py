"""The slots that this process holds. Pure."""

from __future__ import annotations

import secrets
from collections import defaultdict
from itertools import count

from ws_gateway.limits.connections.contract import ConnectionSlot


class Held:
    """Slots by user, at most ``most`` of each; 0 means any number."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._process = secrets.token_hex(8)
        self._numbers = count(1)
        self._by_user: defaultdict[str, set[ConnectionSlot]] = defaultdict(set)

    def __contains__(self, place: ConnectionSlot) -> bool:
        return place in self._by_user.get(place.user_id, ())

    def new(self, user_id: str) -> ConnectionSlot:
        """Return a new slot, which is not held yet."""
        return ConnectionSlot(user_id, f"{self._process}:{next(self._numbers)}")

    def room(self, user_id: str) -> bool:
        """Return whether the user may have one more."""
        return not self.most or len(self._by_user.get(user_id, ())) < self.most

    def add(self, place: ConnectionSlot) -> None:
        """Hold a slot."""
        self._by_user[place.user_id].add(place)

    def discard(self, place: ConnectionSlot) -> None:
        """Hold it no more."""
        places = self._by_user[place.user_id]
        places.discard(place)
        if not places:
            del self._by_user[place.user_id]

    def by_user(self) -> list[tuple[str, list[ConnectionSlot]]]:
        """Return all as they are now."""
        return [(user_id, [*places]) for user_id, places in self._by_user.items()]
