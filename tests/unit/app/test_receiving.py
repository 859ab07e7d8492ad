"""What a worker takes from the bus, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from omnidaemon.app.agents import Agent
from omnidaemon.app.custody import Custody
from omnidaemon.app.lanes import Persistence
from omnidaemon.app.outages import Outages
from omnidaemon.app.receiving import Batch, Receiving
from omnidaemon.domain.agent import WhenStopped
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Delivery, Inbox
from omnidaemon.testing.clock import ManualClock
from tests.unit.app.faults import Sayings
from tests.unit.app.test_custody import GREETER, grant
from tests.unit.app.workshop import TOPIC, agent_of

SLOTS = 10


class Shelf(Inbox):
    """So many deliveries wait on it; an empty one makes its reader wait. `asked` are the credits of each receive()."""

    def __init__(self, waiting: int) -> None:
        self.asked: list[Mapping[Subscription, int]] = []
        self.interruptions = 0
        self.failure: Exception | None = None
        self._left = list(range(waiting))
        self._more = asyncio.Event()

    def put(self, *numbers: int) -> None:
        """Let more wait."""
        self._left += numbers
        self._more.set()

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        self.asked.append(credits)
        if self.failure is not None:
            raise self.failure
        while not self._left:
            self._more.clear()
            await self._more.wait()
        count = credits[GREETER]
        taken, self._left = self._left[:count], self._left[count:]
        now = datetime.now(UTC)
        tasks = [Task(task_id=f"t{number}", topic=TOPIC, payload=b"1", created_at=now) for number in taken]
        return [Delivery(subscription=GREETER, task=task, token=None) for task in tasks]

    def interrupt(self) -> None:
        self.interruptions += 1

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        raise AssertionError("not of this port's user")

    async def close(self) -> None:
        raise AssertionError("not of this port's user")


class Desk:
    """An agent with ten slots that is as fast as one says, and what receives for it."""

    def __init__(self, *, waiting: int, ahead: int, others: Sequence[Agent] = ()) -> None:
        clock = ManualClock()
        agents = {each.subscription: each for each in (agent_of(len, concurrency=SLOTS), *others)}
        self.shelf = Shelf(waiting)
        self.custody = Custody(agents)
        self.custody._shares[GREETER].pace.ahead = ahead
        self.receiving = Receiving(
            inbox=self.shelf,
            custody=self.custody,
            clock=clock,
            bus=Persistence(clock, Outages(clock, Sayings())),
            may_start=lambda: True,
            subscriptions=tuple(agents),
            when_stopped=lambda _: WhenStopped.HOLD,
        )

    async def next(self) -> list[str]:
        """What comes next, and is about to be begun."""
        batch = await self.receiving.next()
        assert batch is not None
        await self.receiving.begin_next(batch)
        return ids_of(batch)

    def begin(self, *ids: str) -> None:
        """These are begun."""
        self.custody.add([grant(each) for each in ids], 0.0, is_fresh=True)
        self.receiving.taken_in()

    @property
    def asked(self) -> list[int]:
        """How many were asked for each time."""
        return [credits[GREETER] for credits in self.shelf.asked]


def ids_of(batch: Batch) -> list[str]:
    return [delivery.task.task_id for delivery in batch.deliveries]


def ids(*numbers: int) -> list[str]:
    return [f"t{number}" for number in numbers]


async def test_the_next_batch_is_received_while_a_full_one_is_begun():
    """In all no more than the agent has slots for and, by its pace, will have."""
    desk = Desk(waiting=400, ahead=180)
    first = await desk.next()
    assert (len(first), desk.asked) == (100, [100, 90])
    desk.begin(*first)
    second = await desk.next()
    assert (len(second), desk.asked) == (90, [100, 90])


async def test_for_an_agent_that_is_not_fast_nothing_is_received_ahead():
    """Others may have slots for it now."""
    desk = Desk(waiting=400, ahead=0)
    first = await desk.next()
    assert (len(first), desk.asked) == (SLOTS, [SLOTS])


@pytest.mark.parametrize(("waiting", "ahead"), [(99, 200), (100, 100)], ids=["it was not full", "a small one only"])
async def test_what_would_not_pay_is_not_received_ahead(waiting: int, ahead: int):
    """Nothing more waits, or there is room for a few only."""
    desk = Desk(waiting=waiting, ahead=ahead)
    first = await desk.next()
    assert (len(first), desk.asked) == (waiting, [100])


async def test_what_was_received_ahead_comes_next_though_the_first_could_not_be_begun():
    """A loop that failed and goes on has lost nothing, and receives nothing twice."""
    desk = Desk(waiting=200, ahead=200)
    assert await desk.next() == ids(*range(100))
    await desk.receiving.rest()
    assert await desk.next() == ids(*range(100, 200))


async def test_at_rest_nothing_is_received():
    """What comes later is for whoever asks then."""
    desk = Desk(waiting=100, ahead=200)
    assert len(await desk.next()) == 100
    assert desk.asked == [100, 100]
    await desk.receiving.rest()
    desk.shelf.put(100)
    assert desk.asked == [100, 100]
    assert await desk.next() == ids(100)


async def fails_ahead() -> Desk:
    """One with two batches, of which the second could not be received while the first was begun."""
    desk = Desk(waiting=200, ahead=200)
    batch = await desk.receiving.next()
    assert batch is not None
    desk.shelf.failure = ValueError("no such queue")
    await desk.receiving.begin_next(batch)
    await asyncio.sleep(0)
    return desk


async def test_a_failure_met_ahead_is_told_to_who_asks_for_the_next():
    """Once."""
    desk = await fails_ahead()
    with pytest.raises(ValueError, match="no such queue"):
        await desk.receiving.next()
    desk.shelf.failure = None
    assert await desk.next() == ids(*range(100, 200))


async def test_a_failure_met_ahead_of_a_rest_is_forgotten():
    """Who goes on asks the bus anew, and meets what is so then."""
    desk = await fails_ahead()
    await desk.receiving.rest()
    desk.shelf.failure = None
    assert await desk.next() == ids(*range(100, 200))


async def test_freed_slots_interrupt_nothing_that_is_received_for_the_right_agents():
    """Neither while a batch is in hand nor once it is begun; an agent that is stopped does."""
    desk = Desk(waiting=100, ahead=200)
    first = await desk.next()
    desk.custody.reconsider()
    desk.begin(*first)
    desk.custody.reconsider()
    assert desk.shelf.interruptions == 0
    desk.custody.stop([GREETER])
    assert desk.shelf.interruptions == 1
    await desk.receiving.rest()


async def test_what_arrives_as_its_taker_is_cancelled_is_not_lost():
    """It comes next when somebody goes on."""
    desk = Desk(waiting=100, ahead=200)
    await desk.next()
    under_way = desk.receiving._next
    assert under_way is not None
    taker = asyncio.create_task(desk.receiving.next())
    await asyncio.sleep(0)
    desk.shelf.put(*range(100, 200))
    for _ in range(20):  # turn by turn, since who waits for it wakes its taker too
        if under_way.done():
            break
        await asyncio.sleep(0)
    taker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taker
    await desk.receiving.rest()
    assert await desk.next() == ids(*range(100, 200))


async def test_nothing_waits_on_a_bus_that_cannot_be_read():
    """Due runs have all slots until it can be."""
    desk = Desk(waiting=100, ahead=0)
    desk.custody.saw_due(GREETER, waits=True)
    desk.custody.saw_fresh(GREETER, waits=True)
    assert desk.custody.room_for_due(GREETER) < SLOTS
    desk.shelf.failure = ValueError("no such queue")
    with pytest.raises(ValueError, match="no such queue"):
        await desk.receiving.next()
    assert (desk.custody.fresh_waits(GREETER), desk.custody.room_for_due(GREETER)) == (False, SLOTS)


async def test_a_batch_is_full_for_whom_it_has_as_many_as_there_is_room_for():
    """One task is none for an agent with ten slots, whatever room others have."""
    other = agent_of(len, "other", concurrency=1)
    desk = Desk(waiting=1, ahead=0, others=[other])
    assert await desk.next() == ids(0)
    assert desk.asked == [SLOTS]
    assert not desk.custody.fresh_waits(GREETER)
