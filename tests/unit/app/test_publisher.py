"""Publishing: what is refused before anything is sent, what an id means, and keys that name one task."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from omnidaemon.app.drafts import Draft
from omnidaemon.app.publisher import Publisher
from omnidaemon.domain.errors import (
    BackendUnavailable,
    IdempotencyConflict,
    InvalidInput,
    InvalidName,
    InvalidValue,
    NobodyListens,
    PayloadNotJson,
    PayloadTooLarge,
    PublishFailed,
)
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, Receipt
from tests.unit.app.logging_bus import within_one_transaction
from tests.unit.app.workshop import TOPIC, Workshop, agent_of


def draft(**changes) -> Draft:
    return Draft(**{"topic": TOPIC, "payload": {"a": 1}, **changes})


def task_of(shop: Workshop, task_id: str) -> Task:
    task = shop.space.tasks[task_id].task
    assert isinstance(task, Task)
    return task


def sent(shop: Workshop) -> list[str]:
    """The ids of what the bus was given, with repetitions."""
    return [task.task_id for tasks in shop.space.bus.waiting.values() for task in tasks]


def refuse(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, confirmation: Confirmation, receivers: int | None = None
) -> None:
    """Let the bus refuse every task whose payload is "bad"."""
    publish = shop.real_bus.publish

    async def refusing(tasks):
        good = [task for task in tasks if task.payload != b'"bad"']
        await publish(good)
        return [
            Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED)
            if task in good
            else Receipt(task_id=task.task_id, confirmation=confirmation, receivers=receivers, reason="queue full")
            for task in tasks
        ]

    monkeypatch.setattr(shop.real_bus, "publish", refusing)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"topic": "no spaces"}, InvalidName, "topic"),
        ({"topic": ""}, InvalidName, "topic"),
        ({"topic": None}, InvalidName, "topic"),
        ({"payload": {"when": datetime(2030, 1, 1, tzinfo=UTC)}}, PayloadNotJson, "when"),
        ({"payload": float("nan")}, PayloadNotJson, ""),
        ({"payload": "x" * 999}, PayloadTooLarge, "1,001"),
        ({"delay": -1}, InvalidValue, "delay"),
        ({"delay": timedelta(seconds=-1)}, InvalidValue, "delay"),
        ({"delay": "soon"}, InvalidValue, "delay"),
        ({"delay": float("nan")}, InvalidValue, "delay"),
        ({"delay": float("inf")}, InvalidValue, "delay"),
        ({"delay": 1e12}, InvalidValue, "delay"),
        ({"delay": True}, InvalidValue, "delay"),
        ({"delay": 1.1e10}, InvalidValue, "10,000,000,000 seconds"),
        ({"delay": timedelta.max}, InvalidValue, "10,000,000,000 seconds"),
        ({"delay": 1, "due_at": datetime(2030, 1, 1, tzinfo=UTC)}, InvalidValue, "not both"),
        ({"due_at": datetime(2030, 1, 1)}, InvalidValue, "time zone"),  # noqa: DTZ001 - naive on purpose
        ({"due_at": "2030-01-01"}, InvalidValue, "time zone"),
        ({"due_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, InvalidValue, "due_at"),
        ({"headers": {"bad name": "x"}}, InvalidName, "header"),
        ({"headers": {"n": 1}}, InvalidValue, "headers['n']"),
        ({"headers": {"n": "x" * 1001}}, InvalidValue, "headers['n']"),
        ({"headers": ["n"]}, InvalidValue, "headers"),
        ({"correlation_id": ""}, InvalidValue, "correlation_id"),
        ({"correlation_id": 7}, InvalidValue, "correlation_id"),
        ({"causation_id": "x" * 1001}, InvalidValue, "causation_id"),
        ({"idempotency_key": ""}, InvalidValue, "idempotency_key"),
        ({"idempotency_key": b"k"}, InvalidValue, "idempotency_key"),
    ],
    ids=repr,
)
async def test_a_bad_draft_is_refused_and_nothing_is_sent(shop: Workshop, changes, error, said):
    """With the argument's name; the good drafts of the same call are not sent either."""
    with pytest.raises(error) as refusal:
        await shop.publisher.publish([draft(), draft(**changes), draft()])
    assert isinstance(refusal.value, InvalidInput)
    assert said in str(refusal.value)
    assert not shop.bus.calls
    assert not shop.log.calls


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_tasks_are_published_and_logged_in_one_call_each(shop: Workshop):
    """A hundred tasks cost one round trip to the bus and one to the log; ids come in order."""
    task_ids = await shop.publisher.publish([draft(payload=number) for number in range(100)])
    assert sent(shop) == task_ids
    assert (shop.bus.calls["publish"], shop.log.calls["add"]) == (1, 1)
    assert [task_of(shop, task_id).payload for task_id in task_ids[:3]] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("is_in_reach", [True, False])
async def test_bus_and_log_are_one_call_where_one_transaction_reaches_both(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, is_in_reach
):
    """That the bus could is not enough: the log has to be the one that it reaches."""
    bus = within_one_transaction(shop, monkeypatch)
    if not is_in_reach:
        elsewhere = attrs.evolve(shop.storage.capabilities, transaction_scope="elsewhere")
        monkeypatch.setattr(shop.storage, "capabilities", elsewhere)
    publisher = Publisher(
        bus=shop.as_bus,
        storage=shop.storage,
        clock=shop.clock,
        ids=shop.ids,
        codec=shop.codec,
        telemetry=shop.says,
        payload_max_bytes=1000,
    )
    ids = await publisher.publish([draft(), draft()])
    assert bus.published == (ids if is_in_reach else [])
    assert sent(shop) == ids
    assert shop.log.calls["add"] == 1


async def test_many_tasks_are_logged_in_steps(shop: Workshop):
    """No call keeps a store from everybody else for as long as two hundred thousand tasks take."""
    task_ids = await shop.publisher.publish([draft(payload=number) for number in range(1200)])
    assert (shop.bus.calls["publish"], shop.log.calls["add"]) == (1, 3)
    assert list(shop.space.tasks) == task_ids


async def test_concurrent_publishes_share_their_calls(shop: Workshop):
    """A hundred cost two calls to each side."""
    task_ids = await asyncio.gather(*(shop.publish(number) for number in range(100)))
    assert sorted(sent(shop)) == sorted(task_ids)
    assert (shop.bus.calls["publish"], shop.log.calls["add"]) == (2, 2)


async def test_a_task_is_what_the_draft_says(shop: Workshop):
    """Headers, ids of the chain and time; the first task of a chain is its own correlation."""
    first, second = await shop.publisher.publish(
        [draft(headers={"a": "b"}), draft(correlation_id="c", causation_id="d", idempotency_key="k")]
    )
    task = task_of(shop, first)
    assert (dict(task.headers), task.correlation_id, task.causation_id) == ({"a": "b"}, first, None)
    assert task.created_at == shop.clock.now().at
    task = task_of(shop, second)
    assert (task.correlation_id, task.causation_id, task.idempotency_key) == ("c", "d", "k")


async def test_a_bus_that_refuses_is_an_error_and_leaves_nothing_in_the_log(shop: Workshop, monkeypatch):
    """Nobody would ever begin it: without that it would be queued for ever. What was confirmed beside it stays."""
    refuse(shop, monkeypatch, Confirmation.FAILED)
    with pytest.raises(PublishFailed, match="queue full") as failure:
        await shop.publisher.publish([draft(), draft(payload="bad")])
    assert not failure.value.is_unknown
    assert failure.value.is_transient
    assert sent(shop) == list(shop.space.tasks) == ["task-00000001"]


async def test_a_task_that_reached_nobody_has_failed(shop: Workshop, monkeypatch):
    """Where nothing waits it is nowhere; the bus is well, so that is an error of its own."""
    refuse(shop, monkeypatch, Confirmation.FAILED, receivers=0)
    with pytest.raises(NobodyListens):
        await shop.publish("bad")
    assert not shop.space.tasks


async def test_a_bus_that_may_have_taken_it_leaves_it_in_the_log(shop: Workshop, monkeypatch):
    """The caller is told that it is not known."""
    refuse(shop, monkeypatch, Confirmation.UNKNOWN)
    with pytest.raises(PublishFailed, match="unknown") as failure:
        await shop.publish("bad")
    assert failure.value.is_unknown
    assert failure.value.task_id in shop.space.tasks


async def test_a_log_that_fails_is_healed_when_the_task_is_begun(shop: Workshop):
    """The bus has it, so the id is given and a line tells of the rest; afterwards the result can be asked for."""
    shop.log.fail("add")
    task_id = await shop.publish("x")
    assert shop.says.having("1 tasks are published but not logged yet")
    assert await shop.queries.result(task_id) is None
    await shop.start(agent_of(lambda payload: payload))
    assert (await shop.ended(task_id)).result == "x"


async def test_a_log_that_breaks_in_another_way_is_not_hidden(shop: Workshop):
    """A bug is no weather."""
    shop.log.fail("add", error=lambda: RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        await shop.publish("x")


async def test_a_bus_that_raises_is_not_hidden(shop: Workshop):
    """An id is only given once the bus has confirmed."""
    shop.bus.fail("publish")
    with pytest.raises(BackendUnavailable):
        await shop.publish("x")


# --- later ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when",
    [
        {"delay": 60},
        {"delay": timedelta(minutes=1)},
        {"due_at": datetime(2030, 1, 1, 0, 1, tzinfo=UTC)},
        {"due_at": datetime(2030, 1, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))},
    ],
    ids=repr,
)
async def test_a_delayed_task_is_kept_until_it_is_due(shop: Workshop, when):
    """In the store, not on the bus; whatever way its time was given."""
    task_id = await shop.publish("x", **when)
    assert not sent(shop)
    assert task_of(shop, task_id).due_at == datetime(2030, 1, 1, 0, 1, tzinfo=UTC)
    result = await shop.queries.result(task_id)
    assert result is not None
    assert result.status == "scheduled"


async def test_a_schedule_that_cannot_be_kept_is_an_error(shop: Workshop):
    """There is nobody else who would remember it."""
    shop.ports["schedules"].fail("put")
    with pytest.raises(BackendUnavailable):
        await shop.publish("x", delay=5)


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_the_same_key_gives_the_same_task(shop: Workshop):
    """However the payload was written; a topic has its own keys."""
    first = await shop.publish({"a": 1, "b": 2}, idempotency_key="k")
    assert await shop.publish({"b": 2, "a": 1}, idempotency_key="k") == first
    assert sent(shop) == [first], "a task that the bus has confirmed is not published again"
    assert await shop.publish({"a": 1}, topic="elsewhere", idempotency_key="k") != first


@pytest.mark.parametrize(
    ("payload", "other"), [({"a": 1}, {"a": 2}), (1, True), ({"a": [0]}, {"a": [False]}), ([1], [1, 2]), ({}, [])]
)
async def test_the_same_key_with_another_payload_is_a_conflict(shop: Workshop, payload, other):
    """The task that has the key is named, and nothing is published. In JSON, 1 and true are two things."""
    first = await shop.publish(payload, idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as conflict:
        await shop.publish(other, idempotency_key="k")
    assert (conflict.value.key, conflict.value.task_id) == ("k", first)
    assert sent(shop) == [first]


async def test_the_same_key_twice_in_one_call_is_one_task(shop: Workshop):
    """Both ids are its id."""
    first, other, second = await shop.publisher.publish(
        [draft(idempotency_key="k"), draft(), draft(idempotency_key="k")]
    )
    assert first == second
    assert sent(shop) == [first, other]


async def test_a_key_whose_publisher_died_is_published_by_whoever_finds_it(shop: Workshop):
    """Reserved, never confirmed: the stored task goes out under its own id."""
    shop.bus.fail("publish")
    with pytest.raises(BackendUnavailable):
        await shop.publish("x", idempotency_key="k")
    assert await shop.publish("x", idempotency_key="k") == "task-00000001"
    assert sent(shop) == ["task-00000001"]
    assert not shop.space.unconfirmed


async def test_a_keyed_task_that_the_bus_refused_is_not_taken_from_others(shop: Workshop, monkeypatch):
    """Somebody with the same key may have published it meanwhile: it stays, and the caller is told to ask again."""
    refuse(shop, monkeypatch, Confirmation.FAILED)
    with pytest.raises(PublishFailed) as failure:
        await shop.publish("bad", idempotency_key="k")
    assert failure.value.is_unknown
    monkeypatch.undo()
    assert await shop.publish("bad", idempotency_key="k") == failure.value.task_id
    assert sent(shop) == [failure.value.task_id]


async def test_a_hundred_publishers_with_one_key_make_one_task(shop: Workshop):
    """All get the same id, and it is executed once."""
    gate = shop.bus.hold("publish")
    publishing = [asyncio.create_task(shop.publish("x", idempotency_key="k")) for _ in range(100)]
    await shop.rest()
    gate.set()
    (task_id,) = set(await asyncio.gather(*publishing))
    calls: list[object] = []
    await shop.start(agent_of(calls.append))
    await shop.ended(task_id)
    await shop.rest()
    assert calls == ["x"]
    assert len(shop.space.tasks) == 1


async def test_a_keyed_delayed_task_is_kept_once(shop: Workshop):
    """Asked for again later, it keeps its first due time."""
    first = await shop.publish("x", delay=60, idempotency_key="k")
    shop.clock.advance(10)
    assert await shop.publish("x", delay=60, idempotency_key="k") == first
    assert list(shop.space.schedules) == [first]
    assert not sent(shop)
