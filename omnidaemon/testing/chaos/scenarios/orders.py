"""What people order, and limits that they set: cancellations and time-outs."""

from __future__ import annotations

import time
from functools import partial

from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work


async def cancellations(stage: Stage, seed: int, *, times: int = 20, lease: float = 30.0) -> Figures:
    """Queued, scheduled, retrying and running tasks are cancelled; a running handler hears of it within a second, long
    before its lease is renewed."""
    policy = {"lease": lease, "backoff": 600.0}
    await stage.start_worker(policy=policy, concurrency=2)
    delays: list[float] = []
    for number in range(times):
        task_id = await stage.publish_one(Work(item=f"running-{number}", seconds=60))
        await stage.until(partial(stage.has_begun, [f"running-{number}"]))
        at = time.monotonic()
        await stage.client.cancel_task(task_id)
        await stage.until(partial(_is_cancelled, stage, task_id), 20)
        delays.append(next(row[1] for row in stage.noted("cancelled") if row[0] == task_id) - at)
    cancelled = len(delays)

    retrying = await stage.publish_one(Work(item="retrying", failures=1))
    await stage.until(lambda: stage.noted("failure"))
    scheduled = await stage.publish_one(Work(item="scheduled"), delay=2.0)
    blockers = [await stage.publish_one(Work(item=f"blocker-{number}", seconds=4)) for number in range(2)]
    await stage.until(lambda: sum(each.item.startswith("blocker") for each in stage.executions()) == len(blockers))
    queued = await stage.publish_one(Work(item="queued"))
    for task_id in (retrying, scheduled, queued):
        await stage.client.cancel_task(task_id)
    endings = await stage.settled()
    assert {endings[task_id].status for task_id in (retrying, scheduled, queued)} == {"cancelled"}
    assert {endings[task_id].status for task_id in blockers} == {"succeeded"}
    # One more that is let through shows that the worker has gone past the cancelled ones.
    await stage.publish_one(Work(item="after"))
    await stage.settled()
    executed = {each.item for each in stage.executions()}
    assert executed & {"retrying", "scheduled", "queued"} == set()
    assert sum(ending.status == "cancelled" for ending in endings.values()) == times + 3
    assert max(delays) <= 1, f"a handler was cancelled only {max(delays):.2f} s after the order"
    return {"running cancelled": cancelled, "slowest s": round(max(delays), 2)}


async def time_outs(stage: Stage, seed: int) -> Figures:
    """An attempt, a run over its attempts, and the time in the queue: each has its own limit, and ends as a
    time-out."""
    found: Figures = {}
    limits = {
        "timeout": ({"timeout": 0.5, "max_attempts": 2}, Work(item="timeout", seconds=20)),
        "run_timeout": (
            {"run_timeout": 1.5, "backoff": 0.4, "max_attempts": 100},
            Work(item="run_timeout", failures=99),
        ),
        "queue_timeout": ({"queue_timeout": 0.5}, Work(item="queue_timeout")),
    }
    if stage.backend.is_lossy:
        del limits["queue_timeout"]  # nothing waits there for a worker
    for name, (policy, work) in limits.items():
        if name == "queue_timeout":
            task_id = await stage.publish_one(work)
            await stage.pause(1.0)
            member = await stage.start_worker(policy=policy)
        else:
            member = await stage.start_worker(policy=policy)
            task_id = await stage.publish_one(work)
        at = time.monotonic()
        await stage.settled()
        result = await stage.client.get_result(task_id)
        assert result.status == "dead", result
        if name != "run_timeout":  # it ends with the error of its last attempt, since no other would fit in
            assert result.error.kind == "timeout", result
        found[f"{name} after s"] = round(time.monotonic() - at, 2)
        await member.terminate()
    assert not any(each.item == "queue_timeout" for each in stage.executions())
    return found


def _is_cancelled(stage: Stage, task_id: str) -> bool:
    return any(row[0] == task_id for row in stage.noted("cancelled"))
