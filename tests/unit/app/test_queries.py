"""What people ask, put together from the store and the bus."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.adapters.memory import MemoryBus
from omnidaemon.app.queries import Queries
from omnidaemon.domain.errors import AgentNotFound, TaskNotFound
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.backend import SelfExamination, Weakness
from omnidaemon.ports.run_queries import TaskFilter
from tests.unit.app.faults import away
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


async def handler(payload):
    if payload == "bad":
        raise ValueError
    return payload


class Examined(MemoryBus, SelfExamination):
    """A bus that knows of a weakness."""

    async def weaknesses(self):
        return [Weakness(backend="here", found="weak", advice="mend it")] * 2


async def test_what_several_know_of_a_backend_is_told_once(shop: Workshop):
    """Of those that can tell of themselves; the others are taken to be well."""
    assert await shop.queries.weaknesses() == []
    queries = Queries(bus=Examined(shop.space.bus), storage=shop.storage, codec=shop.codec)
    assert [weakness.found for weakness in await queries.weaknesses()] == ["weak"]


# --- tasks ------------------------------------------------------------------------------------------------------------


async def test_a_result_is_given_whatever_its_status(shop: Workshop):
    """None only for a task that nobody knows; an agent that has nothing to do with it is an error."""
    assert await shop.queries.result("nowhere") is None
    task_id = await shop.publish("x")
    result = await shop.queries.result(task_id)
    assert result is not None
    assert (result.status, result.result) == ("queued", None)
    await shop.start(agent_of(handler))
    await shop.ended(task_id)
    result = await shop.queries.result(task_id, "greeter")
    assert result is not None
    assert (result.status, result.result, result.agent) == ("succeeded", "x", "greeter")
    with pytest.raises(TaskNotFound):
        await shop.queries.result(task_id, "stranger")


async def test_tasks_are_found_a_page_at_a_time(shop: Workshop):
    """Newest first, each once, those only that match."""
    task_ids = [await shop.publish(number) for number in range(5)]
    await shop.publish("x", topic="elsewhere")
    first = await shop.queries.find(TaskFilter(topic=TOPIC), limit=3)
    rest = await shop.queries.find(TaskFilter(topic=TOPIC), cursor=first.cursor, limit=3)
    assert [result.task_id for result in (*first.results, *rest.results)] == task_ids[::-1]
    assert rest.cursor is None
    assert not (await shop.queries.find(TaskFilter(status=Status.DEAD))).results


async def test_the_details_of_a_task_hold_all_that_happened(shop: Workshop):
    """Payload, record and journal; None for a task that nobody knows."""
    assert await shop.queries.details("nowhere") is None
    await shop.start(agent_of(handler, max_attempts=2))
    task_id = await shop.publish("bad")
    await shop.ended(task_id, moving=0.5)
    details = await shop.queries.details(task_id)
    assert details is not None
    assert details.task is not None
    assert (details.payload, details.task.payload, details.result.status) == ("bad", b'"bad"', "dead")
    assert [(agent, error.attempt) for agent, error in details.errors] == [("greeter", 1), ("greeter", 2)]
    assert [event.kind.value for event in details.events] == ["published", "started", "retried", "started", "dead"]


async def test_the_details_of_what_nobody_can_decode_have_no_payload(shop: Workshop):
    """But the raw bytes."""
    await shop.start(agent_of(handler))
    strange = Unreadable(task_id="strange", topic=TOPIC, raw=b"\xff", reason="no JSON")
    shop.space.bus.queues[GREETER].append(strange)  # type: ignore[arg-type]  # as a bus with foreign producers has it
    shop.space.bus.bell.ring()
    await shop.ended("strange")
    details = await shop.queries.details("strange")
    assert details is not None
    assert (details.payload, details.task, details.unreadable) == (None, None, strange)


# --- agents and workers -----------------------------------------------------------------------------------------------


async def test_agents_are_shown_with_what_they_do(shop: Workshop):
    """Their state, their live workers, their runs per status, and what waits for them on the bus."""
    worker = await shop.start(agent_of(handler, max_attempts=1), agent_of(handler, "other", topic="others"))
    for payload in ("x", "y", "bad"):
        await shop.ended(await shop.publish(payload))
    greeter, other = await shop.queries.agents()
    assert (greeter.topic, greeter.name, greeter.status, greeter.workers) == (TOPIC, "greeter", "running", 1)
    assert (greeter.counts, greeter.waiting) == ({"succeeded": 2, "dead": 1}, 0)
    assert (other.name, other.counts) == ("other", {})
    await shop.control.stop([GREETER])
    assert (await shop.queries.agent(GREETER)).status == "stopped"
    await worker.stop()
    await shop.control.start([GREETER])
    await shop.publish("later")
    gone = await shop.queries.agent(GREETER)
    assert (gone.status, gone.workers, gone.waiting) == ("unmanned", 0, 1)
    with pytest.raises(AgentNotFound):
        await shop.queries.agent(Subscription(TOPIC, "stranger"))


async def test_a_worker_that_is_not_heard_any_more_is_not_alive(shop: Workshop):
    """It is shown for an hour."""
    worker = await shop.start(agent_of(handler))
    worker.kill()
    shop.clock.advance(11)
    (record,) = await shop.queries.workers()
    assert not record.is_alive
    assert (await shop.queries.agent(GREETER)).status == "unmanned"


async def test_metrics_name_agents_that_have_done_nothing_too(shop: Workshop):
    """So that a dashboard has a line for each."""
    await shop.start(agent_of(handler), agent_of(handler, "idle", topic="others"))
    await shop.ended(await shop.publish("x"))
    metrics = await shop.queries.metrics()
    assert [str(subscription) for subscription in metrics] == ["greet.user/greeter", "others/idle"]
    assert [each.tasks_processed for each in metrics.values()] == [1, 0]


# --- health -----------------------------------------------------------------------------------------------------------


async def test_health_names_what_is_lossy(shop: Workshop):
    """It works, and a person should know what can be lost."""
    await shop.start(agent_of(handler))
    health = await shop.queries.health()
    assert (health.status, health.bus, health.store, health.workers, health.agents) == (
        "degraded",
        "memory",
        "memory",
        1,
        1,
    )
    assert any("can lose tasks" in note for note in health.notes)
    assert any("forgets everything" in note for note in health.notes)


async def test_health_is_ok_when_there_is_nothing_to_say(shop: Workshop, monkeypatch: pytest.MonkeyPatch):
    """A durable pair that answers; the bus need not be able to tell of itself."""
    monkeypatch.setattr(shop.real_bus, "capabilities", attrs.evolve(shop.real_bus.capabilities, is_lossy=False))
    monkeypatch.setattr(shop.storage, "capabilities", attrs.evolve(shop.storage.capabilities, is_durable=True))
    queries = Queries(bus=shop.as_bus, storage=shop.storage, codec=shop.codec)
    health = await queries.health()
    assert (health.status, health.notes) == ("ok", ())
    assert await queries.depths() == ()


@pytest.mark.parametrize("part", ["store", "bus", "both"])
async def test_health_says_what_does_not_answer(shop: Workshop, part, monkeypatch: pytest.MonkeyPatch):
    """Unavailable, with the backend's own words; once, where both are on one server."""

    async def depths():
        raise away()

    if part != "bus":
        shop.registry.go_away()
    if part != "store":
        monkeypatch.setattr(shop.real_bus, "depths", depths)
    health = await shop.queries.health()
    assert health.status == "unavailable"
    assert sum("away for a while" in note for note in health.notes) == 1
