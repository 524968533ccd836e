"""Authentication: tokens, identity providers, origins, revocations and signed links."""
