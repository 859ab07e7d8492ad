"""Delayed tasks and keyed ones whose publisher died: published by whichever worker sees them, executed once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon.app.outages import Outages
from omnidaemon.app.retention import Retention
from omnidaemon.app.scheduling import DueSchedules
from omnidaemon.domain.errors import BackendUnavailable
from tests.unit.app.workshop import TOPIC, Workshop, agent_of


def on_the_bus(shop: Workshop) -> list[str]:
    return [task.task_id for task in shop.space.bus.waiting.get(TOPIC, ())]


@pytest.fixture
async def schedules(shop: Workshop):
    """The loop alone, started by a call and stopped after the test."""
    hint = asyncio.Event()
    tasks = []

    def start():
        loop = DueSchedules(
            bus=shop.as_bus,
            schedules=shop.storage.schedules,
            log=shop.storage.log,
            clock=shop.clock,
            outages=Outages(shop.clock, shop.says),
            hint=hint,
        )
        tasks.append(asyncio.create_task(loop.run()))
        return hint

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_delayed_task_is_executed_when_it_is_due(shop: Workshop):
    """Not before, and within 250 ms."""
    calls: list[object] = []
    await shop.start(agent_of(calls.append))
    await shop.pass_time(1.0)
    await shop.publish("x", delay=60)
    await shop.pass_time(59.99)
    assert not calls
    await shop.pass_time(0.26, step=0.02)
    await shop.until(lambda: calls == ["x"])
    assert not shop.space.schedules


async def test_two_workers_publish_a_delayed_task_once(shop: Workshop):
    """Whoever takes it holds it."""
    calls: list[object] = []
    for incarnation in ("w1", "w2"):
        await shop.start(agent_of(calls.append), incarnation=incarnation)
    task_id = await shop.publish("x", delay=5)
    await shop.ended(task_id, moving=0.1)
    await shop.pass_time(30.0)
    assert calls == ["x"]
    assert len([1 for event in shop.space.journal if event.task_id == task_id and event.kind == "started"]) == 1


async def test_a_task_taken_twice_is_executed_once(shop: Workshop):
    """Its first holder published it and died before it could drop it."""
    calls: list[object] = []
    task_id = await shop.publish("x", delay=5)
    shop.clock.advance(6)
    taken = await shop.storage.schedules.take(10, 10.0)
    await shop.bus.publish(taken.tasks)
    await shop.start(agent_of(calls.append))
    await shop.ended(task_id)
    assert task_id in shop.space.schedules
    await shop.pass_time(20.0)
    assert task_id not in shop.space.schedules
    assert calls == ["x"]


async def test_what_a_dead_holder_took_is_published_after_its_hold(shop: Workshop, schedules):
    """Nothing is lost, and not two of them work at it at once."""
    task_id = await shop.publish("x", delay=5)
    shop.clock.advance(6)
    await shop.storage.schedules.take(10, 10.0)
    schedules()
    await shop.pass_time(9.0)
    assert not on_the_bus(shop)
    await shop.pass_time(2.0)
    assert on_the_bus(shop) == [task_id]


async def test_what_the_bus_does_not_confirm_comes_again(shop: Workshop, schedules):
    """It stays in the schedules until it is confirmed."""
    task_id = await shop.publish("x", delay=5)
    shop.bus.go_away("publish")
    schedules()
    await shop.pass_time(30.0)
    assert task_id in shop.space.schedules
    shop.bus.come_back()
    await shop.pass_time(15.0)
    assert on_the_bus(shop)[0] == task_id
    assert task_id not in shop.space.schedules


async def test_a_cancelled_delayed_task_is_not_published(shop: Workshop, schedules):
    """It was never begun, so it ends at once."""
    task_id = await shop.publish("x", delay=5)
    await shop.storage.commands.cancel(task_id)
    schedules()
    await shop.pass_time(10.0)
    assert not on_the_bus(shop)
    result = await shop.queries.result(task_id)
    assert result is not None
    assert result.status == "cancelled"


async def test_a_hint_brings_a_shorter_delay_forward(shop: Workshop, schedules):
    """Whoever published it rang: the loop does not sleep until its backstop."""
    hint = schedules()
    await shop.pass_time(1.0)
    await shop.publish("x", delay=1)
    hint.set()
    await shop.pass_time(1.3, step=0.1)
    assert on_the_bus(shop)


async def test_more_than_a_batch_of_due_tasks_goes_out_without_a_rest(shop: Workshop, schedules):
    """Batch after batch, each with one call to the bus."""
    for number in range(450):
        await shop.publish(number, delay=1)
    shop.clock.advance(2)
    schedules()
    await shop.pass_time(1.0, step=0.1)
    assert len(on_the_bus(shop)) == 450
    assert shop.bus.calls["publish"] == 3


# --- keys -------------------------------------------------------------------------------------------------------------


async def reserved(shop: Workshop, **options) -> str:
    """A keyed task whose publisher died between reserving and publishing."""
    shop.bus.fail("publish")
    shop.ports["schedules"].fail("put")
    with pytest.raises(BackendUnavailable):
        await shop.publish("x", idempotency_key="k", **options)
    shop.bus._failures.clear()
    shop.ports["schedules"]._failures.clear()
    (task_id,) = shop.space.unconfirmed
    return str(task_id)


async def test_a_keyed_task_whose_publisher_died_is_published_after_a_minute(shop: Workshop, schedules):
    """The publisher gets that long to do it itself."""
    task_id = await reserved(shop)
    schedules()
    await shop.pass_time(59.0)
    assert not on_the_bus(shop)
    await shop.pass_time(16.0)
    assert on_the_bus(shop) == [task_id]
    assert not shop.space.unconfirmed


async def test_a_worker_that_starts_publishes_what_nobody_confirmed_at_once(shop: Workshop, schedules):
    """Whoever died with it may have been the last worker there was."""
    task_id = await reserved(shop)
    shop.clock.advance(61)
    schedules()
    await shop.pass_time(0.1, step=0.05)
    assert on_the_bus(shop) == [task_id]


async def test_a_keyed_delayed_task_whose_publisher_died_still_waits_for_its_time(shop: Workshop, schedules):
    """It goes into the schedules, not onto the bus."""
    task_id = await reserved(shop, delay=600)
    schedules()
    await shop.pass_time(120.0)
    assert not on_the_bus(shop)
    assert not shop.space.unconfirmed
    await shop.pass_time(490.0, step=1.0)
    assert on_the_bus(shop) == [task_id]


async def test_a_keyed_task_that_the_bus_does_not_confirm_is_tried_again(shop: Workshop, schedules):
    """For as long as it takes."""
    task_id = await reserved(shop)
    shop.bus.go_away("publish")
    schedules()
    await shop.pass_time(80.0)
    assert task_id in shop.space.unconfirmed
    shop.bus.come_back()
    await shop.pass_time(15.0)
    assert on_the_bus(shop) == [task_id]


# --- retention --------------------------------------------------------------------------------------------------------


async def retained(shop: Workshop, keep: float, task: asyncio.Task[None] | None = None) -> asyncio.Task[None]:
    retention = Retention(
        commands=shop.storage.commands,
        clock=shop.clock,
        outages=Outages(shop.clock, shop.says),
        keep=timedelta(seconds=keep),
        keep_dead=None,
    )
    return asyncio.create_task(retention.run())


async def test_ended_tasks_go_after_their_time_and_others_stay(shop: Workshop):
    """Dead letters and what has not ended are kept, however old."""

    async def handler(payload):
        if payload == "bad":
            raise ValueError

    await shop.start(agent_of(handler, max_attempts=1), keep=100.0)
    good, bad = await shop.publish("good"), await shop.publish("bad")
    for task_id in (good, bad):
        await shop.ended(task_id)
    waiting = await shop.publish("waiting", topic="nobody.listens")
    await shop.pass_time(50.0, step=1.0)
    assert good in shop.space.tasks
    await shop.pass_time(100.0, step=1.0)
    assert set(shop.space.tasks) == {bad, waiting}


async def test_retention_goes_on_at_once_while_there_is_more(shop: Workshop):
    """In steps of 500, so that no call holds the store for long; and patiently while the store is away."""
    for number in range(1100):
        await shop.publish(number)
    for task_id in list(shop.space.tasks):
        await shop.storage.commands.cancel(task_id)
    shop.clock.advance(10)
    shop.ports["commands"].fail("prune", times=2)
    running = await retained(shop, keep=5.0)
    await shop.pass_time(1.0, step=0.1)
    assert not shop.space.tasks
    assert shop.ports["commands"].calls["prune"] == 5
    await shop.pass_time(60.0)
    assert shop.ports["commands"].calls["prune"] < 20
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
