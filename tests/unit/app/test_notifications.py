"""What is told of ended runs, by the loop that tells it: webhooks and replies, their failures, circles, and leaving."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from omnidaemon.app.publisher import Draft
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.webhook_policy import Answer
from omnidaemon.ports.bus import Confirmation, EventBus, Receipt
from tests.unit.app.faults import Faulty, broken
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

URL = "https://example.org/hook"


async def echo(payload):
    return payload


async def fails(payload):
    raise ValueError("no")


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


def entries(shop: Workshop):
    return sorted(shop.space.outbox.values(), key=lambda entry: entry.position)


def statuses(shop: Workshop):
    return [entry.status.value for entry in entries(shop)]


async def all_settled(shop: Workshop, *expected: str, moving: float = 0.1) -> None:
    await shop.until(lambda: statuses(shop) == list(expected), moving=moving)


# --- webhooks ---------------------------------------------------------------------------------------------------------


async def test_an_ended_run_is_posted(shop: Workshop):
    """Under the id of what it tells, as the result of the run."""
    await shop.start(agent_of(echo))
    task_id = await shop.publish({"n": 1}, webhook=URL)
    await all_settled(shop, "delivered")
    (sent,) = shop.notifier.sent
    assert (sent.url, sent.webhook_id) == (URL, entries(shop)[0].notification_id)
    assert (sent.body["task_id"], sent.body["topic"], sent.body["agent"]) == (task_id, TOPIC, "greeter")
    assert (sent.body["status"], sent.body["result"], sent.body["error"]) == ("succeeded", {"n": 1}, None)
    result = await shop.queries.result(task_id, "greeter")
    assert result is not None
    assert result.finished_at is not None
    assert sent.body["finished_at"] == result.finished_at.isoformat()
    assert sent.body["created_at"] == result.created_at.isoformat()


async def test_a_dead_letter_is_posted_with_its_error(shop: Workshop):
    await shop.start(agent_of(fails, max_attempts=1))
    await shop.publish(webhook=URL)
    await all_settled(shop, "delivered")
    body = shop.notifier.sent[0].body
    assert (body["status"], body["error"]["type"], body["error"]["message"]) == ("dead", "ValueError", "no")


async def test_a_failed_webhook_is_sent_again_under_its_id(shop: Workshop):
    """After the policy's pause, until the receiver has it."""
    answers = [Answer(status_code=503), Answer(error="ConnectTimeout"), Answer(status_code=200)]
    shop.notifier.answer = lambda _: answers.pop(0)
    await shop.start(agent_of(echo))
    await shop.publish(webhook=URL)
    await shop.until(lambda: len(shop.notifier.sent) == 1, moving=0.1)
    await shop.pass_time(4.0)
    assert len(shop.notifier.sent) == 1
    await shop.pass_time(1.5)
    assert len(shop.notifier.sent) == 2
    await all_settled(shop, "delivered", moving=5.0)
    assert len({sent.webhook_id for sent in shop.notifier.sent}) == 1
    assert [(line.attempt, line.status_code, line.error) for line in entries(shop)[0].log] == [
        (1, 503, None),
        (2, None, "ConnectTimeout"),
        (3, 200, None),
    ]


async def test_a_webhook_that_is_given_up_is_said(shop: Workshop):
    shop.notifier.answer = lambda _: Answer(status_code=410)
    await shop.start(agent_of(echo))
    task_id = await shop.publish(webhook=URL)
    await all_settled(shop, "failed")
    assert "410" in (entries(shop)[0].reason or "")
    assert shop.says.having(f"the webhook of task {task_id} is given up")


async def test_a_slow_receiver_holds_nobody_up(shop: Workshop, monkeypatch):
    """Neither tasks nor replies, nor another receiver's webhooks; no more than a few are sent at once."""
    asked = asyncio.Event()
    held = asyncio.Event()
    under_way = 0

    async def send(message):
        nonlocal under_way
        if message.url == URL:
            under_way += 1
            asked.set()
            await held.wait()
        return Answer(status_code=200)

    monkeypatch.setattr(shop.notifier, "send", send)
    await shop.start(agent_of(echo), agent_of(echo, "answerer", topic="answers"))
    await shop.publisher.publish([Draft(topic=TOPIC, payload=n, webhook=URL) for n in range(40)])
    await shop.until(asked.is_set, moving=0.1)
    await shop.pass_time(1.0)
    assert under_way == 32
    task_id = await shop.publish("fast", reply_to="answers")
    await shop.ended(task_id, moving=0.1)
    await shop.until(lambda: sum(r.subscription.topic == "answers" for r in shop.space.runs.values()) == 1, moving=0.1)
    held.set()
    await shop.until(lambda: set(statuses(shop)) == {"delivered"}, moving=0.1)


async def test_what_a_dead_worker_was_sending_is_sent_by_another(shop: Workshop, monkeypatch):
    """Once its hold is over."""
    never = asyncio.Event()

    async def hang(message):
        await never.wait()
        return Answer()

    monkeypatch.setattr(shop.notifier, "send", hang)
    worker = await shop.start(agent_of(echo))
    await shop.publish(webhook=URL)
    await shop.until(lambda: [entry.fence for entry in entries(shop)] == [1], moving=0.1)
    worker.kill()
    monkeypatch.undo()
    await shop.start(agent_of(echo), incarnation="w2")
    await shop.pass_time(15.0, step=1.0)
    assert shop.notifier.sent == []
    await all_settled(shop, "delivered", moving=1.0)


async def test_a_store_that_is_away_loses_no_answer(shop: Workshop):
    """What was sent is settled when it is back; a lost reply counts nothing twice."""
    shop.ports["outbox"].fail("settle", 2)
    shop.ports["outbox"].lose_answers("settle")
    await shop.start(agent_of(echo))
    await shop.publish(webhook=URL)
    await all_settled(shop, "delivered")
    assert len(shop.notifier.sent) == 1
    assert entries(shop)[0].attempts == 1


async def test_a_notifier_that_breaks_its_promise_harms_one_webhook_alone(shop: Workshop, monkeypatch):
    """That is a failed attempt, which is told. Those that are sent beside it are not cut off, nor later ones."""
    held = asyncio.Event()
    sent = []

    async def send(message):
        if message.url.endswith("/bug"):
            raise OverflowError("a bug in a notifier")
        sent.append(message.url)
        await held.wait()
        return Answer(status_code=200)

    monkeypatch.setattr(shop.notifier, "send", send)
    await shop.start(agent_of(echo))
    await shop.publish(webhook=URL)
    await shop.until(lambda: sent, moving=0.1)
    await shop.publish(webhook=f"{URL}/bug")
    await shop.until(lambda: shop.says.having("sent: OverflowError: a bug in a notifier"), moving=0.1)
    held.set()
    await shop.publish(webhook=f"{URL}/later")
    await all_settled(shop, "delivered", "pending", "delivered")
    assert sent == [URL, f"{URL}/later"]
    assert [line.error for line in entries(shop)[1].log] == ["OverflowError: a bug in a notifier"]


async def test_a_result_that_a_codec_cannot_read_harms_nothing_else(shop: Workshop, monkeypatch):
    """Its webhook fails, its reply is given up, and both say why."""
    real = shop.codec.decode_value

    def decode_value(encoded):
        if b"broken" in encoded:
            raise RecursionError("a bug in a codec")
        return real(encoded)

    async def either(is_whole):
        return "whole" if is_whole else "broken"

    monkeypatch.setattr(shop.codec, "decode_value", decode_value)
    await shop.start(agent_of(either))
    for is_whole in (False, True):
        await shop.publish(is_whole, webhook=URL, reply_to="answers")
    await shop.until(lambda: sorted(statuses(shop)) == ["delivered", "delivered", "failed", "pending"], moving=0.1)
    assert shop.says.having("RecursionError: a bug in a codec")


async def test_a_leaving_worker_tells_of_what_it_ended_last(shop: Workshop):
    """Nobody has to wait for the next one."""
    worker = await shop.start(agent_of(echo))
    await shop.publish("last", webhook=URL, reply_to="answers")
    await shop.until(lambda: len(shop.space.outbox) == 2)
    await worker.stop()
    assert statuses(shop) == ["delivered", "delivered"]


async def test_a_leaving_worker_lets_a_receiver_answer(shop: Workshop, monkeypatch):
    """For as long as one may take, however short all else is bounded; so nothing is cut off and sent twice."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def send(message):
        asked.set()
        await answered.wait()
        return Answer(status_code=200)

    monkeypatch.setattr(shop.notifier, "send", send)
    worker = await shop.start(agent_of(echo), drain_seconds=0.01, last_word_seconds=0.05)
    await shop.publish(webhook=URL)
    await shop.until(asked.is_set, moving=0.1)
    leaving = asyncio.create_task(worker.stop())
    assert not (await asyncio.wait({leaving}, timeout=0.3))[0]
    answered.set()
    await leaving
    assert statuses(shop) == ["delivered"]


@pytest.mark.parametrize("away", ["receiver", "store"])
async def test_a_leaving_worker_that_is_in_a_hurry_waits_for_nobody(shop: Workshop, away, monkeypatch):
    """Nor one whose store is away, for a receiver that has nothing to do with it."""
    asked = asyncio.Event()

    async def send(message):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(shop.notifier, "send", send)
    worker = await shop.start(agent_of(echo), drain_seconds=0.01, last_word_seconds=0.05)
    if away == "receiver":
        await shop.publish(webhook=URL)
        await shop.until(asked.is_set, moving=0.1)
        worker.engine.release_now()
    else:
        shop.ports["outbox"].go_away()
    await asyncio.wait_for(worker.stop(), 5.0)
    assert shop.says.having("while leaving, somebody was not told of an ended run")


# --- replies ----------------------------------------------------------------------------------------------------------


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
    assert shop.space.tasks[entries(shop)[0].notification_id].is_logged
    await shop.pass_time(80.0, step=0.5)
    (entry,) = entries(shop)
    assert (entry.status.value, entry.attempts) == ("failed", 8)
    assert "no agent listens on the topic" in (entry.reason or "")
    assert entry.notification_id not in shop.space.tasks
    deaf.topics.clear()
    await shop.storage.outbox.redeliver([entry.notification_id])
    await all_settled(shop, "delivered")
    assert shop.space.tasks[entry.notification_id].is_logged


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
