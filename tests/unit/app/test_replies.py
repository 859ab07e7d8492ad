"""Replies, by the loop that publishes them: their failures, buses on which nobody listens, and circles."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.app.drafts import Draft
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.ports.bus import Confirmation, EventBus, Receipt
from tests.unit.app.faults import Faulty, broken
from tests.unit.app.logging_bus import within_one_transaction
from tests.unit.app.outbox import URL, all_settled, echo, entries, statuses
from tests.unit.app.workshop import TOPIC, Workshop, agent_of


class DeafBus:
    """A bus that keeps nothing, with topics on which nobody listens."""

    def __init__(self, bus: EventBus) -> None:
        self.topics: set[str] = set()
        self._bus = bus

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)

    async def publish(self, tasks):
        heard = [task for task in tasks if task.topic not in self.topics]
        receipts = {receipt.task_id: receipt for receipt in await self._bus.publish(heard)}
        return [receipts.get(task.task_id) or _unheard(task) for task in tasks]


def _unheard(task):
    return Receipt(task_id=task.task_id, confirmation=Confirmation.FAILED, receivers=0, reason="nobody listens")


async def test_a_reply_is_a_task_with_the_result_as_its_payload(shop: Workshop):
    """Of the same correlation, caused by the task that it answers, one hop further."""
    seen = []

    async def answered(payload, context):
        seen.append((payload, context.task))

    await shop.start(agent_of(echo), agent_of(answered, "answered", topic="answers"))
    task_id = await shop.publish([1, 2], reply_to="answers", correlation_id="chain")
    await shop.until(lambda: seen, moving=0.1)
    payload, task = seen[0]
    assert (payload["task_id"], payload["status"], payload["result"]) == (task_id, "succeeded", [1, 2])
    assert (task.correlation_id, task.causation_id, task.hops) == ("chain", task_id, 1)
    assert task.task_id == entries(shop)[0].notification_id
    await all_settled(shop, "delivered")


async def test_a_reply_that_is_published_twice_is_begun_once(shop: Workshop):
    """As after a worker that died between publishing and settling."""
    seen = []

    async def answered(payload):
        seen.append(payload)

    await shop.start(agent_of(echo), agent_of(answered, "answered", topic="answers"))
    await shop.publish(reply_to="answers")
    await all_settled(shop, "delivered")
    for _ in range(2):
        await shop.storage.outbox.redeliver([entries(shop)[0].notification_id])
        await all_settled(shop, "delivered")
    await shop.pass_time(2.0)
    assert len(seen) == 1


async def test_a_reply_waits_for_its_topics_first_agent(shop: Workshop):
    await shop.start(agent_of(echo))
    await shop.publish("x", reply_to="answers")
    await all_settled(shop, "delivered")
    assert shop.space.tasks[entries(shop)[0].notification_id].is_logged
    await shop.start(agent_of(echo, "late", topic="answers"), incarnation="w2")
    await shop.until(lambda: shop.state(entries(shop)[0].notification_id, "late") == "succeeded", moving=0.1)


async def test_a_reply_is_published_with_the_log_where_one_transaction_reaches_both(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    """As any task: it is on the bus and in the log, or in neither."""
    bus = within_one_transaction(shop, monkeypatch)
    await shop.start(agent_of(echo))
    await shop.publish("x", reply_to="answers")
    await all_settled(shop, "delivered")
    assert bus.published == [entries(shop)[0].notification_id]
    assert shop.log.calls["add"] == 2, "by the publisher of the first one, and by the bus"


@pytest.mark.parametrize("part", ["bus", "log"])
async def test_a_reply_is_tried_until_the_bus_takes_it(shop: Workshop, part):
    """However long that is away; webhooks are sent meanwhile."""
    await shop.start(agent_of(echo))
    port = shop.bus if part == "bus" else shop.ports["log"]
    await shop.publish("x", reply_to="answers", webhook=URL)
    port.go_away("publish", "add")
    await shop.until(lambda: sorted(statuses(shop)) == ["delivered", "pending"], moving=0.1)
    await shop.pass_time(400.0, step=5.0)
    pending = next(entry for entry in entries(shop) if entry.status is OutboxStatus.PENDING)
    assert pending.attempts > 8
    assert "away" in (pending.log[-1].error or "")
    port.come_back()
    await all_settled(shop, "delivered", "delivered", moving=1.0)


async def test_a_reply_that_nobody_can_ever_hear_is_given_up(shop: Workshop):
    """On a bus that keeps nothing: after a minute, with the reason, and no task is left that would be queued for
    ever."""
    deaf = DeafBus(shop.real_bus)
    shop.bus = Faulty(deaf)
    await shop.start(agent_of(echo))
    deaf.topics.add("answers")
    await shop.publish("x", reply_to="answers")
    await shop.until(lambda: len(entries(shop)) == 1 and entries(shop)[0].attempts == 1, moving=0.1)
    assert entries(shop)[0].notification_id not in shop.space.tasks
    await shop.until(lambda: entries(shop)[0].status is OutboxStatus.FAILED, moving=0.5)
    (entry,) = entries(shop)
    # On a busy machine the test's clock moves on while the loop still works.
    assert 3 <= entry.attempts <= 8
    assert "no agent listens on the topic" in (entry.reason or "")
    assert entry.notification_id not in shop.space.tasks
    deaf.topics.clear()
    await shop.storage.outbox.redeliver([entry.notification_id])
    await all_settled(shop, "delivered")
    assert shop.space.tasks[entry.notification_id].is_logged


async def test_a_reply_that_was_given_up_is_begun_once_somebody_sends_it_again(shop: Workshop):
    """Nothing of the attempts that nobody heard forbids it."""
    deaf = DeafBus(shop.real_bus)
    shop.bus = Faulty(deaf)
    await shop.start(agent_of(echo), agent_of(echo, "answered", topic="answers"))
    deaf.topics.add("answers")
    await shop.publish("x", reply_to="answers")
    await shop.pass_time(80.0, step=0.5)
    (entry,) = entries(shop)
    assert entry.status is OutboxStatus.FAILED
    deaf.topics.clear()
    await shop.storage.outbox.redeliver([entry.notification_id])
    await all_settled(shop, "delivered")
    await shop.until(lambda: shop.state(entry.notification_id, "answered") == "succeeded", moving=0.1)


async def test_a_bus_that_has_to_be_mended_is_told(shop: Workshop):
    """And the replies come again; the webhooks do not notice."""
    await shop.start(agent_of(echo))
    await shop.publish("x", reply_to="answers", webhook=URL)
    shop.bus.fail("publish", error=broken)
    await shop.until(lambda: shop.says.having("replies cannot be published: BackendUnusable"), moving=0.1)
    await all_settled(shop, "delivered", "delivered", moving=1.0)
    assert len(shop.notifier.sent) == 1
    assert not shop.says.having("notifications:")


async def test_a_slow_bus_holds_up_no_webhook(shop: Workshop):
    """Nor what the store has to hear of one that was sent: else its hold ends, and it is sent twice."""
    await shop.start(agent_of(echo))
    await shop.publish("x", reply_to="answers")
    gate = shop.bus.hold("publish")
    await shop.until(lambda: shop.bus.calls["publish"] == 2, moving=0.1)
    shop.publisher._bus = shop.real_bus
    await shop.publish("y", webhook=URL)
    await shop.until(lambda: statuses(shop) == ["pending", "delivered"], moving=0.1)
    await shop.pass_time(60.0, step=5.0)
    assert len(shop.notifier.sent) == 1
    gate.set()
    await all_settled(shop, "delivered", "delivered", moving=1.0)


async def test_replies_are_taken_a_few_at_a_time(shop: Workshop, monkeypatch):
    """Each may hold a large result."""
    taken = []

    async def take(limits, hold_seconds):
        taken.append(found := await real(limits, hold_seconds))
        return found

    real = shop.storage.outbox.take
    monkeypatch.setattr(shop.storage.outbox, "take", take)
    await shop.start(agent_of(echo))
    await shop.publisher.publish([Draft(topic=TOPIC, payload=n, reply_to="answers") for n in range(100)])
    await shop.until(lambda: statuses(shop) == ["delivered"] * 100, moving=0.1)
    assert max(len(each.entries) for each in taken) <= 32


async def test_a_circle_of_replies_ends_with_a_clear_error(shop: Workshop):
    """What a handler publishes keeps the hops of its task, so two agents that answer each other come to an end."""
    count = 0

    async def ping(payload, context):
        nonlocal count
        count += 1
        await context.publish("pong", {}, reply_to="ping")

    await shop.start(agent_of(ping, "pinger", topic="ping"), agent_of(echo, "ponger", topic="pong"))
    await shop.publish(topic="ping")
    await shop.until(lambda: "failed" in statuses(shop), moving=0.2)
    await shop.pass_time(2.0)
    assert count == 17
    failed = [entry for entry in entries(shop) if entry.status is OutboxStatus.FAILED]
    assert len(failed) == 1
    assert "longer than 16" in (failed[0].reason or "")
    assert failed[0].log[0].error == failed[0].reason
    assert shop.says.having("is given up: the chain of replies is longer than 16")


async def test_a_reply_above_the_payload_limit_is_given_up(shop: Workshop):
    """Every bus would have to carry it."""

    async def large(payload):
        return "x" * 900

    shop.replies = attrs.evolve(shop.replies, payload_max_bytes=1000)
    await shop.start(agent_of(large))
    await shop.publish(reply_to="answers")
    await all_settled(shop, "failed")
    assert "the limit is 1,000" in (entries(shop)[0].reason or "")


async def test_a_reply_that_no_payload_can_hold_is_given_up(shop: Workshop):
    """A result may be nested as deeply as a payload, and a reply puts it one level further down."""

    async def deep(payload):
        value: object = 1
        for _ in range(64):
            value = [value]
        return value

    await shop.start(agent_of(deep))
    await shop.publish(reply_to="answers", webhook=URL)
    await shop.until(lambda: sorted(statuses(shop)) == ["delivered", "failed"], moving=0.1)
    failed = next(entry for entry in entries(shop) if entry.status is OutboxStatus.FAILED)
    assert "nested deeper" in (failed.reason or "")
