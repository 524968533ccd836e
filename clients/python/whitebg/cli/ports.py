"""Ports: free ones where any will do, and a clear word where one is taken."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence

from whitebg.cli.problems import Problem
from whitebg_process.loopback import is_loopback


def choose(wanted: list[tuple[str, str, int]]) -> list[int]:
    """Return a port for each ``(name, host, port)``; 0 becomes a free one, and no two are the same.

    ``name`` is ``HTTP`` or ``GRPC``, for the message.

    Raises:
        Problem: one is taken, or its host is not of this machine.

    """
    with contextlib.ExitStack() as held:  # All are held until all are chosen, so that they differ.
        ports = []
        for name, host, port in wanted:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            # Ports of connections that just ended are free; ports with a listener are not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                raise Problem(
                    f"{_address(host, port)} can't be used: {error.strerror}",
                    f"stop what listens there, or choose another port with --{name.lower()}-port N, or "
                    f"WHITEBG_{name}_PORT=N for `make run` (0 takes a free one)",
                ) from error
            ports.append(listener.getsockname()[1])
    return ports


def stays_here(target: str) -> bool:
    """Return whether gRPC's ``target`` is on this machine for certain; names other than ``localhost`` never are."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    address = target.rpartition(":///")[2]
    for prefix in ("dns:", "ipv4:", "ipv6:"):
        address = address.removeprefix(prefix)
    return all(_is_ours(host) for host in map(_host_of, address.split(",")))


def _host_of(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _is_ours(host: str) -> bool:
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # Sends nothing; the system only chooses the address to send from.
        except OSError:
            return False
        return address.is_unspecified or ipaddress.ip_address(probe.getsockname()[0]) == address


def reachable(host: str, port: int) -> str:
    """Return the address under which this machine reaches what listens on ``host``."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return _address(host, port)


def target(host: str, ports: Sequence[int]) -> str:
    """Return gRPC's target under which this machine reaches what listens on ``ports`` of ``host``: one, or a list."""
    if len(ports) == 1:
        return reachable(host, ports[0])
    # Only a list of addresses, not of names, is a single target.
    family, *_, (address, *_) = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    scheme = "ipv6" if family == socket.AF_INET6 else "ipv4"
    return f"{scheme}:" + ",".join(reachable(str(address), port) for port in ports)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
