"""Binding the API's address: loopback for everybody on this machine, anything else for those who have keys."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

import attrs

from omnidaemon.domain.errors import ConfigurationError, OmniDaemonError

_EVERY_ADDRESS = frozenset({"", "*"})
_BACKLOG = 512

Resolve = Callable[..., list[Any]]
"""As `socket.getaddrinfo`."""


@attrs.define(slots=False)
class UnguardedAddress(ConfigurationError):
    """The API was to be reachable from other machines, and would let everybody in."""

    host: str
    address: str

    def __str__(self) -> str:
        meant = f"{self.host!r}" if self.host == self.address else f"{self.host!r} ({self.address})"
        return (
            f"the API does not listen on {meant}, beyond this machine, without keys: set OMNIDAEMON_API_KEYS, "
            "or OMNIDAEMON_API_HOST=127.0.0.1"
        )


@attrs.define(slots=False)
class AddressUnavailable(OmniDaemonError):
    """Nothing can listen there: most often another process does. `asked_by` is what somebody has asked for it with,
    which makes it an error."""

    host: str
    port: int
    reason: str
    asked_by: str = ""

    def __str__(self) -> str:
        found = f"the API cannot listen on {self.host} port {self.port}: {self.reason}"
        other = "choose another by OMNIDAEMON_API_PORT, 0 for any that is free"
        if self.asked_by:
            further = "a further worker of this machine takes --no-api"
            return f"{found}, which is an error since {self.asked_by}; {further}, else {other}"
        return f"{found}; {other}, or serve none (--no-api)"


@attrs.define(slots=False)
class ApiFailed(OmniDaemonError):
    """What serves the API has ended by itself, which is a bug; nothing listens on its address any more."""

    reason: str

    def __str__(self) -> str:
        return f"the HTTP API has failed, and is not served any more: {self.reason}"


@attrs.frozen(kw_only=True)
class Listener:
    """A socket that listens, and what it was asked to be called."""

    socket: socket.socket
    host: str

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Let go of the address."""
        self.socket.close()


def listen(host: str, port: int, *, has_keys: bool, resolve: Resolve = socket.getaddrinfo) -> Listener:
    """A listener on this address, port 0 for any that is free. Looks names up, so it may block.

    Raises `UnguardedAddress` for one that other machines reach, unless there are keys, and `AddressUnavailable`.
    """
    try:
        family, address = _resolved(host, port, resolve)
        if not has_keys and not _is_loopback(address[0]):
            raise UnguardedAddress(host, str(address[0]))
        is_dual = family == socket.AF_INET6 and host in _EVERY_ADDRESS and socket.has_dualstack_ipv6()
        # The address that was checked is the one that is bound: a name is not looked up a second time.
        bound = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
        # For every connection that it accepts. Head and body of an answer are written one after the other, and without
        # this the second waits for the client to acknowledge the first: 40 ms. asyncio does it by itself only for
        # sockets that were made with the protocol's number, which `create_server` leaves out.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number).lower() if number and number > 0 else str(error)
        raise AddressUnavailable(host or "*", port, reason) from error
    return Listener(socket=bound, host=host)


def _resolved(host: str, port: int, resolve: Resolve) -> tuple[socket.AddressFamily, tuple[str, int]]:
    wanted = None if host in _EVERY_ADDRESS else host
    found = resolve(wanted, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    if wanted is None:
        found.sort(key=lambda one: one[0] != socket.AF_INET6)  # which can take IPv4 along
    family, _, _, _, address = found[0]
    return family, address


def _is_loopback(address: str) -> bool:
    known = ipaddress.ip_address(address)
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback
