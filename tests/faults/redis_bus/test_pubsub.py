"""The Pub/Sub bus: what it loses it tells, and it comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time

import pytest

from omnidaemon.adapters.redis import listening
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.names import Subscription
from omnidaemon.testing.contracts.bus_opening import drain, ids
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import TOPIC

GREETER = Subscription(TOPIC, "greeter")


@pytest.fixture
async def bus(place):
    async with redis_pubsub_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        yield bus


@pytest.fixture
async def inbox(bus):
    inbox = await bus.subscribe([GREETER])
    yield inbox
    await inbox.close()


async def reached(bus, place):
    (receipt,) = await bus.publish([place.task("probe")])
    return receipt.receivers


async def test_receipts_tell_who_listens(bus, place):
    """Nobody: confirmed, and received by none."""
    assert await reached(bus, place) == 0
    inbox = await bus.subscribe([GREETER])
    assert await reached(bus, place) == 1
    await inbox.close()
    assert await eventually(lambda: reached(bus, place), lambda count: count == 0) == 0


async def test_what_does_not_fit_is_counted_and_told(bus, place, inbox, monkeypatch):
    monkeypatch.setattr(listening, "_MOST_MESSAGES", 100)
    await bus.publish([place.task(f"t{number}") for number in range(150)])

    async def dropped():
        return inbox._buffer.dropped

    await eventually(dropped, lambda count: count == 50)
    with pytest.raises(BackendUnavailable, match="LOST TASKS: 50 deliveries were dropped"):
        await inbox.receive({GREETER: 10}, 5)
    assert ids(await drain(inbox, GREETER, 100)) == [f"t{number}" for number in range(100)]


@pytest.mark.parametrize("how", ["cut", "killed", "frozen"])
async def test_lost_connection_is_told_and_made_anew(  # noqa: PLR0917 - all of them fixtures
    bus, place, inbox, server, how, monkeypatch
):
    monkeypatch.setattr(listening, "_SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(listening, "_LOOK_SECONDS", 0.5)
    receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, 60))
    if how == "cut":
        await bus._server.command("CLIENT", "KILL", "TYPE", "pubsub")
    elif how == "killed":
        await asyncio.to_thread(server.stop, signal.SIGKILL)
    else:
        server.freeze()
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match="LOST TASKS"):
        await receiving
    assert time.monotonic() - began < 15
    if how == "killed":
        await asyncio.to_thread(server.start)
    elif how == "frozen":
        server.thaw()
    got: list[str] = []

    async def look():
        await bus.publish([place.task("again")])
        with contextlib.suppress(BackendUnavailable):
            got.extend(ids(await inbox.receive({GREETER: 1}, 0.1)))
        return got

    await eventually(look)


async def test_silent_connection_is_asked_and_given_up(bus, inbox, monkeypatch):
    """Half-open: the server is well, and nothing comes any more."""
    monkeypatch.setattr(listening, "_SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(listening, "_LOOK_SECONDS", 0.1)
    await asyncio.sleep(2.5)  # an idle one that answers is kept
    assert list(await inbox.receive({GREETER: 1}, 0)) == []

    async def deaf(timeout):
        await asyncio.sleep(timeout)

    inbox._listening._pubsub.get_message = deaf
    with pytest.raises(BackendUnavailable, match="LOST TASKS"):
        await inbox.receive({GREETER: 1}, 10)


async def test_flushed_server_is_told_and_knows_the_agents_again(bus, place, inbox):
    await bus._server.command("FLUSHALL")
    assert await reached(bus, place) == 0
    with pytest.raises(BackendUnavailable, match="the server had lost its data"):
        await inbox.receive({GREETER: 1}, 10)
    assert await reached(bus, place) == 1
