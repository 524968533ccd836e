"""Addresses that webhooks may connect to: none that is private, unless an operator allows its network.

A name is resolved once, all of its addresses are checked, and the connection goes to a checked address: a second
resolution could return another one (DNS rebinding). Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL = 2000
NAME_SECONDS = 3.0
"""How long a new endpoint's name is resolved."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All IPv6 addresses that are in use on the internet. Others, such as those of a local NAT64, may lead inside."""


class AddressRefused(Exception):
    """The address must not be connected to; the message has the reason."""


class NameUnresolved(AddressRefused):
    """The name has no address at present."""


def require_url(url: str, *, allow_http: bool) -> str:
    """Check the form of an endpoint's URL; return it.

    Raises:
        AddressRefused: the URL can't be used.

    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"the URL can't be read: {error}") from error
    schemes = {"https", "http"} if allow_http else {"https"}
    if parts.scheme not in schemes or not parts.hostname:
        raise AddressRefused(f"the URL must begin with {' or '.join(sorted(schemes))}:// and a host")
    if parts.username or parts.password or parts.fragment or port == 0:
        raise AddressRefused("the URL must have no user name, password or fragment")
    if len(url) > MAX_URL or not (url.isascii() and url.isprintable()) or " " in url:
        raise AddressRefused(f"the URL must have up to {MAX_URL} printable ASCII characters without spaces")
    return url


def origin_of(url: str) -> str:
    """Return scheme and host of a URL, for logs; nothing of one that can't be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


def require_public(address: Address, allowed: Sequence[Network]) -> None:
    """Check that an address is public, or in an allowed network.

    Raises:
        AddressRefused: it is neither.

    """
    real = _embedded(address) or address
    if any(real in network for network in allowed if network.version == real.version):
        return
    outside = real.version == 6 and real not in _GLOBAL_UNICAST
    if outside or not real.is_global or real.is_multicast:
        raise AddressRefused(
            f"{address} is not a public address; WHITEBG_WEBHOOK_ALLOWED_NETWORKS can allow its network"
        )


def require_literal_public(url: str, allowed: Sequence[Network]) -> None:
    """Check the address of a URL that names one; the addresses of a name are checked at each connection.

    Raises:
        AddressRefused: it is not public, and in no allowed network.

    """
    try:
        address = ipaddress.ip_address((urlsplit(url).hostname or "").partition("%")[0])
    except ValueError:
        return
    require_public(address, allowed)


def _embedded(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (None if teredo is None else teredo[1])


async def require_public_name(url: str, allowed: Sequence[Network], threads: Executor) -> None:
    """Check the present addresses of a URL's host; one that can't be resolved now is left to each connection's check.

    The name is resolved in ``threads``.

    Raises:
        AddressRefused: an address is not public, and in no allowed network.

    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(NAME_SECONDS):
            await resolve(parts.hostname or "", parts.port or 443, allowed, threads)
    except (NameUnresolved, TimeoutError):
        return


async def resolve(host: str, port: int, allowed: Sequence[Network], threads: Executor) -> Sequence[str]:
    """Return the addresses of a host, resolved in ``threads``. If one of them is not allowed, none is returned.

    Raises:
        NameUnresolved: the name does not exist, or no name server answers.
        AddressRefused: an address is not allowed.

    """
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
    except (OSError, UnicodeError) as error:
        raise NameUnresolved(f"{host} can't be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for text in addresses:
        try:
            require_public(ipaddress.ip_address(text.partition("%")[0]), allowed)
        except AddressRefused as refused:
            raise AddressRefused(f"{host}: {refused}" if text != host else str(refused)) from None
    return addresses
