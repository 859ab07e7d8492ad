"""Which addresses may be reached: public ones, and private ones that somebody has allowed.

Whoever publishes a task names a URL, and the worker that follows it may stand where the publisher may not reach. So
what a name means is looked up once, each address is judged, and that address is connected to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from omnidaemon.adapters.http.lookups import Lookups

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_REFUSED = (
    IPv6Network("64:ff9b:1::/48"),  # RFC 8215: NAT64 of one's own network
    IPv6Network("100::/64"),  # RFC 6666: discarded
    IPv6Network("2001::/23"),  # RFC 2928: protocols, Teredo among them
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
    IPv6Network("5f00::/16"),  # RFC 9602: segment routing
    IPv6Network("fec0::/10"),  # RFC 3879: site-local, once
)


class AddressRefused(Exception):
    """An address that may not be reached."""


@attrs.frozen
class AddressFilter:
    """Judges addresses. `allowed` are names of hosts and networks."""

    allowed: Sequence[str] = ()
    is_loopback_allowed: bool = False
    names: Lookups = attrs.field(factory=Lookups, eq=False)

    async def admitted(self, host: str, port: int) -> list[str]:
        """The addresses of the host, in the order in which to try them. Raises `AddressRefused` if one of them may not
        be reached, `OSError` when there are none."""
        addresses = [host] if _is_address(host) else await self.names.addresses(host, port)
        if host.lower().rstrip(".") not in {name.lower() for name in self.allowed}:
            for address in addresses:
                self._judge(host, address)
        return addresses

    def _judge(self, host: str, text: str) -> None:
        address = ip_address(text.partition("%")[0])
        for meant in (address, *_within(address)):
            if not self._is_allowed(meant):
                shown = text if text == host else f"{host} ({text})"
                raise AddressRefused(f"{shown} is {_described(meant)}: OMNIDAEMON_WEBHOOK_ALLOW does not name it")

    def _is_allowed(self, address: Address) -> bool:
        if any(_is_in(address, network) for network in self.allowed):
            return True
        if address.is_loopback:
            return self.is_loopback_allowed
        return _is_public(address)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _within(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that an IPv6 address carries."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        # What it carries is judged apart, and patches of Python differ in what they say of 6to4. Where there is nothing
        # but IPv6, every IPv4 host has a NAT64 address.
        if address.ipv4_mapped is not None or address.sixtofour is not None or address in _NAT64:
            return True
        if any(address in network for network in _REFUSED):
            return False
    return address.is_global and not (address.is_multicast or address.is_unspecified or address.is_reserved)


def _is_in(address: Address, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:  # the name of a host
        return False


def _described(address: Address) -> str:
    kinds = ("loopback", "link_local", "multicast", "unspecified", "private")
    kind = next((kind for kind in kinds if getattr(address, f"is_{kind}")), "not public")
    return f"{kind.replace('_', '-')} ({address})"
