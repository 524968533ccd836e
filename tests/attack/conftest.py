"""The attacks on the real servers: each test's docstring names the attack and the expected defence.

Tested elsewhere, with the feature that they attack: floods of tiny parts and bombs in images
(`integration/service/test_bad_input.py`), sign-in at an issuer (`integration/gateway/test_sign_in.py`), limits of rates
and sockets (`integration/gateway/test_limits.py`), revoked sessions (`integration/gateway/test_revocations.py`), and
control characters in terminals (`unit/client/test_pure_parts.py`). `docs/threat-model.md` lists all threats.
"""

from __future__ import annotations

from tests.integration.gateway.conftest import clock, service, settings, usual_settings, world

__all__ = ["clock", "service", "settings", "usual_settings", "world"]
