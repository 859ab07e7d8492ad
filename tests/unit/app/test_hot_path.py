"""The hot path is bounded by counts, not by times: calls on the backends per batch, calls of Python per task."""

from __future__ import annotations

import pytest

from omnidaemon.app.drafts import Draft
from tests.servers.call_count import CallCount
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

TASKS = 1000
CONCURRENCY = 100
BATCHES = TASKS // CONCURRENCY

EVERYWHERE = ()


async def echo(payload):
    return payload


async def published(shop: Workshop, count: int = TASKS) -> None:
    await shop.registry.register([agent_of(echo, concurrency=CONCURRENCY).profile])
    await shop.publisher.publish([Draft(topic=TOPIC, payload=number) for number in range(count)])


def all_succeeded(shop: Workshop, count: int = TASKS) -> bool:
    return sum(run.state == "succeeded" for run in shop.space.runs.values()) == count


async def test_a_thousand_tasks_cost_a_few_calls_for_each_batch(shop: Workshop):
    """A batch is as large as the slots that are free; nothing is asked for each task alone."""
    await published(shop)
    await shop.start(agent_of(echo, concurrency=CONCURRENCY))
    await shop.until(lambda: all_succeeded(shop))
    calls = {
        **{name: shop.runs.calls[name] for name in ("begin", "finish", "claim_due", "renew", "release")},
        **{name: shop.inbox.calls[name] for name in ("receive", "ack")},
        "beat": shop.registry.calls["beat"],
        "take": shop.ports["schedules"].calls["take"],
    }
    bounds = {
        "begin": 2 * BATCHES,
        "finish": 2 * BATCHES,
        "ack": 2 * BATCHES,
        "receive": 3 * BATCHES,
        "claim_due": 3,
        "renew": 3,
        "beat": 3,
        "take": 2,
        "release": 0,
    }
    too_many = {name: f"{calls[name]} > {bound}" for name, bound in bounds.items() if calls[name] > bound}
    assert not too_many, f"{TASKS} tasks in {BATCHES} batches cost more calls than they may: {too_many}"
    assert calls["begin"] == calls["ack"]


@pytest.mark.parametrize("concurrency", [1, 10])
async def test_calls_follow_the_slots_not_the_backlog(shop: Workshop, concurrency):
    """With few slots there are many batches, but never more than a few calls for each."""
    await published(shop, 200)
    await shop.start(agent_of(echo, concurrency=concurrency))
    await shop.until(lambda: all_succeeded(shop, 200))
    batches = 200 // concurrency
    assert shop.runs.calls["begin"] <= batches + 2
    assert shop.runs.calls["finish"] <= batches + 2
    assert shop.inbox.calls["receive"] <= 3 * batches + 5


async def test_a_task_costs_few_calls_of_python(shop: Workshop):
    """From receive to the recorded end. Above a bound, the message says which module calls most."""
    bounds: dict[tuple[str, ...], int] = {
        ("app", "ports"): 22,
        ("domain",): 40,
        ("adapters/memory",): 10,
        EVERYWHERE: 92,
    }
    await published(shop)
    with CallCount(TASKS) as calls:
        await shop.start(agent_of(echo, concurrency=CONCURRENCY))
        await shop.until(lambda: all_succeeded(shop))
    for rooms, bound in bounds.items():
        spent = calls.per_task(*rooms)
        where = " and ".join(rooms) or "the package"
        assert spent <= bound, f"{spent:.1f} calls per task in {where}, at most {bound}:\n{calls.table()}"
        assert spent > bound / 3, f"lower the bound {bound}: {spent:.1f} calls per task in {where}:\n{calls.table()}"
