"""Whom a request comes from, through proxies that are known and past those that are not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A household or a host owns all of such a network, so single addresses identify nothing.
_IPV6_PREFIX = 64


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address to count a client by: an IPv4 address, or an IPv6 network.

    ``forwarded_for`` are the values of all ``X-Forwarded-For`` headers. They are read from the last hop back, as long
    as the hop that wrote an entry is one of the ``trusted`` networks: what a client made up stands further left. A
    peer that is not an IP address, such as that of a Unix socket, stands for itself.
    """
    hop = _parse(peer)
    if hop is None:
        return peer
    for entry in reversed(",".join(forwarded_for).split(",")):
        earlier = _parse(entry)
        if earlier is None or not any(hop in network for network in trusted):
            break
        hop = earlier
    if isinstance(hop, IPv6Address):
        return str(ip_network((hop, _IPV6_PREFIX), strict=False))
    return str(hop)


def _parse(text: str) -> Address | None:
    """Read an address, perhaps with a port; an IPv4 address written as IPv6 is itself."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
