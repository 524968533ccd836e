"""User ids that only the server gives out, so that no other user has a guest's or a signed-in person's photos."""

from __future__ import annotations

GUEST_PREFIX = "guest-"
"""Beginning of the user ids of guests, and of no others."""
SIGNED_IN_PREFIX = "oidc-"
"""Beginning of the user ids of people who signed in at the OpenID Connect issuer, and of no others."""
_OWNERS = {GUEST_PREFIX: "guests", SIGNED_IN_PREFIX: "people who signed in on the page"}


def reserved_for(user_id: str) -> str | None:
    """Return why a user id can't be chosen, as the rest of a sentence that begins with its name; None if it can be."""
    for prefix, owners in _OWNERS.items():
        if user_id.lower().startswith(prefix):
            return f"begins with {prefix!r}, which is reserved for {owners}"
    return None
