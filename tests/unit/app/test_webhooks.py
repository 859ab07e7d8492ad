"""Webhooks, by the loop that sends them: their failures, slow receivers, and a worker that leaves."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.app.drafts import Draft
from omnidaemon.domain.webhook_policy import Answer
from tests.unit.app.outbox import URL, all_settled, echo, entries, fails, statuses
from tests.unit.app.workshop import TOPIC, Workshop, agent_of


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
