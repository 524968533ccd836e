"""HTTP clients for tests of servers in plain text."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.patience import PATIENCE


def http_client(base_url: str = "", **options: Any) -> httpx.AsyncClient:
    """Make a client whose timeouts suit a loaded machine.

    Each request has its own connection: a server may close an idle one just as the next request is sent. No
    certificates are loaded: that takes time, and plain text needs none.
    """
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=base_url, timeout=PATIENCE, verify=False, limits=alone, **options)
