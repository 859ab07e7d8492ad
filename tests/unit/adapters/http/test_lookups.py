"""Names that are slow: they cost nobody else anything, and nobody waits for them at the end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from omnidaemon.adapters.http.addresses import AddressFilter, AddressRefused
from omnidaemon.adapters.http.lookups import Lookups


@pytest.fixture
def slow_names(monkeypatch):
    """Names of .slow are found once the event given back is set, others at once."""
    found = threading.Event()

    def getaddrinfo(host, port, *args, **kwargs):
        if host.endswith(".slow"):
            assert found.wait(30.0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield found
    found.set()


async def test_slow_names_hold_up_no_other_name(slow_names):
    """Nor anything else that works on the loop's own threads."""
    names = Lookups()
    slow = [asyncio.create_task(names.addresses(f"{n}.slow", 80)) for n in range(100)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(names.addresses("fast", 80), 10.0) == ["93.184.216.34"]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "here"), 10.0) == "here"
    slow_names.set()
    assert {address for (address,) in await asyncio.gather(*slow)} == {"93.184.216.34"}


async def test_a_name_that_takes_too_long_is_not_found(slow_names):
    with pytest.raises(OSError, match=r"a\.slow was not found within 0\.05 s"):
        await Lookups(longest_seconds=0.05).addresses("a.slow", 80)


async def test_waiting_for_a_thread_is_not_the_names_slowness(slow_names):
    names = Lookups(at_once=1, longest_seconds=0.05)
    with pytest.raises(OSError, match="not found"):
        await names.addresses("a.slow", 80)
    waiting = asyncio.create_task(names.addresses("fast", 80))
    assert not (await asyncio.wait({waiting}, timeout=0.2))[0]
    slow_names.set()
    assert await waiting == ["93.184.216.34"]


async def test_an_address_is_not_looked_up(monkeypatch):
    """Not even when it is refused."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"):
        assert await AddressFilter().admitted(address, 80) == [address]
    for address in ("10.0.0.1", "::1", "fe80::1%lo"):
        with pytest.raises(AddressRefused):
            await AddressFilter().admitted(address, 80)


def test_a_lookup_keeps_no_process_and_no_loop():
    """Each ends although the resolver is still busy."""
    program = """
import asyncio, socket, time
from omnidaemon.adapters.http.lookups import Lookups
socket.getaddrinfo = lambda *args, **options: time.sleep(60)
async def main():
    try:
        await Lookups(longest_seconds=0.05).addresses("a.slow", 80)
    except OSError as error:
        print(error)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "not found" in done.stdout
    assert done.stderr == ""
