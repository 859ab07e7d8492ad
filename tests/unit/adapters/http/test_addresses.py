"""Which addresses a webhook may reach: the table of those that name something else than they seem to."""

from __future__ import annotations

import socket

import pytest

from omnidaemon.adapters.http.addresses import AddressFilter, AddressRefused

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - nobody binds to it
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::10.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
LOOPBACK = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


@pytest.fixture
def name_means(monkeypatch):
    """Have any name mean these addresses, as its owner may at any time."""

    def mean(*addresses):
        def getaddrinfo(host, port, *args, **kwargs):
            return [
                (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
                for each in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return mean


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_reached(name_means, address):
    name_means(address)
    assert await AddressFilter().admitted("example.org", 443) == [address]


@pytest.mark.parametrize("address", NOT_PUBLIC + LOOPBACK)
async def test_all_others_are_refused_whatever_they_are_wrapped_in(name_means, address):
    name_means(address)
    with pytest.raises(AddressRefused, match="OMNIDAEMON_WEBHOOK_ALLOW") as caught:
        await AddressFilter().admitted("example.org", 443)
    assert f"example.org ({address})" in str(caught.value)


@pytest.mark.parametrize("address", LOOPBACK)
async def test_loopback_is_reached_while_it_may_be(name_means, address):
    name_means(address)
    assert await AddressFilter(is_loopback_allowed=True).admitted("localhost", 80) == [address]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_loopback_being_allowed_allows_nothing_else(name_means, address):
    name_means(address)
    with pytest.raises(AddressRefused):
        await AddressFilter(is_loopback_allowed=True).admitted("example.org", 80)


async def test_one_bad_address_spoils_the_name(name_means):
    """Else its owner could have the second one tried when the first does not answer."""
    name_means("93.184.216.34", "10.0.0.1")
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        await AddressFilter().admitted("example.org", 443)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "is_allowed"),
    [
        ("10.0.0.0/8", "intern.example", "10.1.2.3", True),
        ("10.0.0.0/8", "intern.example", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "intern.example", "192.168.0.1", False),
        ("10.1.2.3", "intern.example", "10.1.2.3", True),
        ("10.1.2.3", "intern.example", "10.1.2.4", False),
        ("fd00::/8", "intern.example", "fd12::1", True),
        ("intern.example", "intern.example", "10.1.2.3", True),
        ("intern.example", "INTERN.example.", "10.1.2.3", True),
        ("intern.example", "other.example", "10.1.2.3", False),
        ("intern.example", "evil.intern.example", "10.1.2.3", False),
        ("127.0.0.0/8", "localhost", "127.0.0.1", True),
    ],
)
async def test_private_ones_are_reached_if_somebody_allows_them(name_means, allowed, host, address, is_allowed):
    """By a network, or by the very name of the host, whatever that means."""
    name_means(address)
    addresses = AddressFilter((allowed,))
    if is_allowed:
        assert await addresses.admitted(host, 443) == [address]
    else:
        with pytest.raises(AddressRefused):
            await addresses.admitted(host, 443)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
async def test_other_ways_to_write_an_address_are_seen_through(host):
    """The resolver knows them, so what it makes of them is judged."""
    with pytest.raises((AddressRefused, OSError)):
        await AddressFilter().admitted(host, 80)
