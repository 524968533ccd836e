"""The sessions of API keys, which end with their key and not with the user's other sessions."""

from __future__ import annotations

KEY_SESSION_PREFIX = "key:"
"""Beginning of the session ids of API keys, and of no others."""
