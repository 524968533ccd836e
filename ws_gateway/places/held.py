"""The places that this process holds. Pure."""

from __future__ import annotations

import secrets
from collections import defaultdict
from itertools import count

from ws_gateway.places.contract import Place


class Held:
    """Places by user, ``most`` of each; 0 means any number."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._process = secrets.token_hex(8)
        self._numbers = count(1)
        self._by_user: defaultdict[str, set[Place]] = defaultdict(set)

    def __contains__(self, place: Place) -> bool:
        return place in self._by_user.get(place.user_id, ())

    def new(self, user_id: str) -> Place:
        """Name a place; it is not held yet."""
        return Place(user_id, f"{self._process}:{next(self._numbers)}")

    def room(self, user_id: str) -> bool:
        """Say whether one more of a user's fits."""
        return not self.most or len(self._by_user.get(user_id, ())) < self.most

    def add(self, place: Place) -> None:
        """Hold a place."""
        self._by_user[place.user_id].add(place)

    def discard(self, place: Place) -> None:
        """Hold it no more."""
        places = self._by_user[place.user_id]
        places.discard(place)
        if not places:
            del self._by_user[place.user_id]

    def by_user(self) -> list[tuple[str, list[Place]]]:
        """Return all as they are now."""
        return [(user_id, [*places]) for user_id, places in self._by_user.items()]
