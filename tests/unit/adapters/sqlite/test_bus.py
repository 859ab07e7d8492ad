"""The SQLite bus beyond its contract: holds that end, big backlogs, interrupted declarations, a database that is
away."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from omnidaemon.adapters.sqlite import SqliteEventBus, sqlite_bus
from omnidaemon.adapters.sqlite import bus as bus_module
from omnidaemon.adapters.sqlite.bus import _declare, _move_backlog
from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.bus import Confirmation
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.place import TOPIC


@pytest.fixture
async def bus(place):
    async with sqlite_bus(place.context()) as bus:
        yield bus


async def received(inbox, most=10, subscription=GREETER):
    return [delivery.task.task_id for delivery in await inbox.receive({subscription: most}, wait_seconds=0)]


async def test_hold_of_a_dead_worker_ends(place, bus):
    """What it received and neither acked nor gave back comes to another after five seconds; its late ack is nothing."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1")])
    dead, other = await bus.subscribe([GREETER]), await bus.subscribe([GREETER])
    held = await dead.receive({GREETER: 1}, wait_seconds=0)
    await place.pass_time(4.9)
    assert await received(other) == []
    await place.pass_time(0.2)
    assert await received(other) == ["t1"]
    await dead.ack(held)
    await other.close()
    assert await received(dead) == ["t1"]
    await dead.close()


async def test_hold_from_before_a_reboot_is_void(place):
    """The steady clock began anew, so that the hold seems to reach far into the future."""
    async with sqlite_bus(place.context()) as before:
        await before.declare({GREETER: Start.NOW})
        await before.publish([place.task("t1")])
        await (await before.subscribe([GREETER])).receive({GREETER: 1}, wait_seconds=0)
        after = attrs.evolve(place, clock=ManualClock(steady=3.0, boot_id="next"), processes={})
        async with sqlite_bus(after.context()) as bus:
            inbox = await bus.subscribe([GREETER])
            assert await received(inbox) == ["t1"]
            await inbox.close()


async def test_ack_never_takes_a_later_message_along(place, bus):
    """Row numbers are used again, positions in the queue are not."""
    await bus.declare({GREETER: Start.NOW})
    first, second = await bus.subscribe([GREETER]), await bus.subscribe([GREETER])
    await bus.publish([place.task("t1")])
    old = await first.receive({GREETER: 1}, wait_seconds=0)
    await place.pass_time(6)
    await second.ack(await second.receive({GREETER: 1}, wait_seconds=0))
    await bus.publish([place.task("t2")])
    assert await received(first) == ["t2"]
    await first.ack(old)
    await first.close()
    assert await received(second) == ["t2"]
    await second.close()


async def test_a_repeated_ack_never_takes_another_agents_copy_along(place, bus):
    """Which is of an old message, but has the row number of the one that is gone."""
    await bus.publish([place.task("old", topic="other")])
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1"), place.task("t2")])
    inbox = await bus.subscribe([GREETER])
    _, last = await inbox.receive({GREETER: 2}, wait_seconds=0)
    await inbox.ack([last])
    others = [Subscription("other", agent) for agent in ("one", "two")]
    await bus.declare(dict.fromkeys(others, Start.BACKLOG))
    await inbox.ack([last])
    assert [await received(inbox, 1, other) for other in others] == [["old"], ["old"]]
    await inbox.close()


async def test_surplus_of_a_cancelled_receive_comes_within_the_credits(place, bus):
    """A receive that was cancelled took ten; the next one has credits for four."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task(f"t{number}") for number in range(10)])
    inbox = await bus.subscribe([GREETER])
    receiving = asyncio.ensure_future(inbox.receive({GREETER: 10}, wait_seconds=60))
    await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    got = [await received(inbox, 4) for _ in range(3)]
    assert [len(each) for each in got] == [4, 4, 2]
    assert [*got[0], *got[1], *got[2]] == [f"t{number}" for number in range(10)]
    await inbox.close()


async def test_a_big_backlog_moves_in_steps_and_in_order(place, bus, monkeypatch):
    """To each agent of the first declaration; what is published meanwhile comes after it."""
    monkeypatch.setattr(bus_module, "_AT_ONCE", 7)
    for name in ("_COPY", "_MOVE"):
        monkeypatch.setattr(bus_module, name, getattr(bus_module, name).replace("LIMIT 1000", "LIMIT 7"))
    names = [f"t{number:02}" for number in range(50)]
    await bus.publish([place.task(name) for name in names])
    await bus.declare(dict.fromkeys([GREETER, LOGGER], Start.BACKLOG))
    await bus.publish([place.task("late")])
    inbox = await bus.subscribe([GREETER, LOGGER])
    for subscription in (GREETER, LOGGER):
        assert await received(inbox, 100, subscription) == [*names, "late"]
    await inbox.close()


async def test_a_declaration_that_was_cut_short_is_gone_on_with(place, bus):
    """The subscriptions were written, then the process died: what waits is moved by the repeated call."""
    await bus.publish([place.task("t1")])
    await bus._database.write(lambda cursor: _declare(cursor, {GREETER: Start.BACKLOG}))
    await bus.publish([place.task("t2")])
    await bus.declare({GREETER: Start.BACKLOG})
    inbox = await bus.subscribe([GREETER])
    assert await received(inbox) == ["t1", "t2"]
    await inbox.close()


async def test_nothing_is_received_before_the_whole_backlog_is_there(place, bus, monkeypatch):
    """What is published meanwhile comes after it, and what comes into the queue is not taken for received."""
    monkeypatch.setattr(bus_module, "_AT_ONCE", 2)
    monkeypatch.setattr(bus_module, "_MOVE", bus_module._MOVE.replace("LIMIT 1000", "LIMIT 2"))
    await bus.publish([place.task(f"t{number}") for number in range(3)])
    await bus._database.write(lambda cursor: _declare(cursor, {GREETER: Start.BACKLOG}))
    assert not await bus._database.write(lambda cursor: _move_backlog(cursor, TOPIC))
    await bus.publish([place.task("late")])
    inbox, other = await bus.subscribe([GREETER]), await bus.subscribe([GREETER])
    early = await received(inbox)
    await bus.declare({GREETER: Start.BACKLOG})
    assert (early, await received(other)) == ([], ["t0", "t1", "t2", "late"])
    await inbox.close()
    await other.close()


async def test_a_retirement_that_was_cut_short_leaves_nothing_to_its_successor(place, bus):
    """The subscription was gone, its messages not yet."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1")])
    await bus._database.write(lambda cursor: cursor.execute("DELETE FROM bus_subscriptions").fetchall())
    await bus.declare({GREETER: Start.BACKLOG})
    inbox = await bus.subscribe([GREETER])
    assert await received(inbox) == []
    await inbox.close()


async def test_while_there_is_plenty_it_is_taken_without_a_look(place, bus, monkeypatch):
    """A look is a read, so that an empty queue costs no write: it comes back with the first queue that gave less."""
    looks = []
    read = bus._database.read

    async def counted(work):
        looks.append(work)
        return await read(work)

    monkeypatch.setattr(bus._database, "read", counted)
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task(f"t{number}") for number in range(5)])
    inbox = await bus.subscribe([GREETER])
    counts = [(len(await received(inbox, 2)), len(looks)) for _ in range(5)]
    assert counts == [(2, 1), (2, 1), (1, 1), (0, 2), (0, 3)]
    await inbox.close()


async def test_purge_leaves_what_is_on_its_way_to_the_store(place, bus):
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1"), place.task("t2")])
    inbox = await bus.subscribe([GREETER])
    await inbox.receive({GREETER: 1}, wait_seconds=0)
    assert await bus.purge(TOPIC) == 1
    await inbox.close()
    assert await received(await bus.subscribe([GREETER])) == ["t1"]


async def test_publish_says_that_the_database_is_away(place):
    """Receipts, no exception; the same tasks can be published once it is there."""
    bus = sqlite_bus(place.context())
    (receipt,) = await bus.publish([place.task("t1")])
    assert receipt.confirmation is Confirmation.FAILED
    assert "not open" in receipt.reason


async def test_garbage_comes_as_unreadable(place, bus):
    """With its bytes."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1")])
    await bus._database.write(lambda cursor: cursor.execute("UPDATE bus_messages SET body = x'ff00'").fetchall())
    inbox = await bus.subscribe([GREETER])
    (delivery,) = await inbox.receive({GREETER: 1}, wait_seconds=0)
    assert isinstance(delivery.task, Unreadable)
    assert (delivery.task.task_id, delivery.task.topic, delivery.task.raw) == ("t1", TOPIC, b"\xff\x00")
    await inbox.close()


async def test_a_path_of_its_own(place, tmp_path):
    """And one database object for all who name the same file."""
    context = place.context()
    one, two = SqliteEventBus(tmp_path / "own.db")(context), SqliteEventBus(str(tmp_path / "own.db"))(context)
    assert one._database is two._database
    async with one:
        assert (tmp_path / "own.db").exists()


async def test_what_others_hold_is_passed_over_and_not_held_along(place, bus):
    """A take that goes around the stretch of another holds two of its own: what the other gives back is free at
    once."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task(f"t{number}") for number in range(6)])
    first, second, third, fourth = [await bus.subscribe([GREETER]) for _ in range(4)]
    assert await received(first, 2) == ["t0", "t1"]
    assert await received(second, 2) == ["t2", "t3"]
    await first.close()
    around = await third.receive({GREETER: 10}, wait_seconds=0)
    assert [delivery.task.task_id for delivery in around] == ["t0", "t1", "t4", "t5"]
    await second.close()
    assert await received(fourth) == ["t2", "t3"]
    await third.ack(around)
    await third.close()
    await fourth.close()
    assert await received(await bus.subscribe([GREETER])) == ["t2", "t3"]


async def test_a_hold_goes_with_its_last_message(place, bus):
    """However they are acked: what is left of one is held still, of one that is over no trace is kept."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task(f"t{number}") for number in range(3)])
    inbox = await bus.subscribe([GREETER])
    deliveries = await inbox.receive({GREETER: 3}, wait_seconds=0)
    await inbox.ack(deliveries[1:2])
    assert await received(await bus.subscribe([GREETER])) == []
    assert [(depth.waiting, depth.held) for depth in await bus.depths()] == [(0, 2)]
    await inbox.ack(deliveries)
    assert await holds(bus) == 0
    await inbox.close()


async def test_a_message_that_is_never_acked_is_kept_in_mind_once(place, bus):
    """It comes to the same inbox again each time its hold has run out. What it came with is acked."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1"), place.task("poison")])
    inbox = await bus.subscribe([GREETER])
    first, *again = await inbox.receive({GREETER: 2}, wait_seconds=0)
    await inbox.ack([first])
    for _ in range(3):
        await place.pass_time(6)
        again = await inbox.receive({GREETER: 2}, wait_seconds=0)
    assert (len(inbox._held), await holds(bus)) == (1, 1)
    await inbox.ack(again)
    assert (len(inbox._held), await holds(bus), await received(inbox)) == (0, 0, [])
    await inbox.close()


async def test_a_retired_subscription_leaves_no_hold(place, bus):
    """What comes under its name later is free."""
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t1")])
    inbox = await bus.subscribe([GREETER])
    deliveries = await inbox.receive({GREETER: 1}, wait_seconds=0)
    await bus.retire(GREETER)
    assert await holds(bus) == 0
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task("t2")])
    await inbox.ack(deliveries)
    assert await received(inbox) == ["t2"]
    await inbox.close()


async def holds(bus):
    return await bus._database.read(lambda cursor: cursor.execute("SELECT count(*) FROM bus_holds").get)
