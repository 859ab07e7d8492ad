"""The engine from end to end: a task reaches its handler, its outcome the store, on the policy's schedule."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.app.workshop import Workshop, agent_of


async def test_a_published_task_is_executed_and_its_result_recorded(shop: Workshop):
    """From publish to a result that a person can read."""

    async def greet(payload):
        return f"hello {payload['name']}"

    await shop.start(agent_of(greet))
    result = await shop.ended(await shop.publish({"name": "Alice"}))
    assert (result.status, result.result, result.attempts) == ("succeeded", "hello Alice", 1)


async def test_retries_come_on_the_policys_schedule(shop: Workshop):
    """A failing run is due exactly after each pause of its backoff, and not a moment earlier."""
    calls = []

    async def fail(payload):
        calls.append(shop.clock.now().at)
        raise ValueError(f"no {len(calls)}")

    await shop.start(agent_of(fail, max_attempts=4, backoff=2.0, backoff_factor=3.0))
    task_id = await shop.publish()
    for attempt, pause in enumerate((2.0, 6.0, 18.0), start=1):
        await shop.until(lambda: shop.state(task_id) == "retrying")
        run = shop.run_of(task_id)
        assert run is not None
        assert run.due_at == calls[-1] + timedelta(seconds=pause)
        await shop.pass_time(pause - 0.1)
        assert len(calls) == attempt, "it ran before it was due"
        await shop.pass_time(0.35)
    result = await shop.ended(task_id)
    assert (result.status, len(calls)) == ("dead", 4)
