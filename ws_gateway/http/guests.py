"""Guests: users on this machine who need no token of their own."""

from __future__ import annotations

from fastapi import Request

from whitebg_process.loopback import is_loopback
from ws_gateway.auth.request_origin import is_foreign, is_local_host
from ws_gateway.components import Gateway

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def guests_welcome(request: Request, gateway: Gateway) -> bool:
    """Return whether guest login is on and the request comes from this machine, under a name of this machine.

    A request that passed a proxy comes from another one.
    """
    return (
        gateway.settings.guest_login
        and is_loopback(gateway.settings.http_host)
        and request.client is not None
        and is_loopback(request.client.host)
        and is_local_host(request.headers, gateway.settings.guest_hosts)
        and not is_foreign(request.headers, gateway.settings.allowed_origins)
        and not any(name in request.headers for name in _FORWARDED)
    )


def own_address(request: Request, gateway: Gateway) -> str | None:
    """Return the page's URL under the address that the gateway listens on; None if the request uses it already.

    Also None for hosts that the administrator added, and where there are no guests.
    """
    host = gateway.settings.http_host
    if host == "localhost" or not guests_welcome(request, gateway):
        return None
    name = f"[{host}]" if ":" in host else host
    if request.url.hostname == host or not is_local_host(request.headers):
        return None
    port = f":{request.url.port}" if request.url.port else ""
    return f"{request.url.scheme}://{name}{port}{request.url.path}"
