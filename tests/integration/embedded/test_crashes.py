"""What kill -9 may cost: nothing but another run of what was under way."""

from __future__ import annotations

import random
import subprocess
from functools import partial

import pytest

from omnidaemon import OmniDaemonSDK
from tests.integration.embedded.conftest import Workshop


@pytest.mark.parametrize("seed", range(5))
async def test_two_killed_workers_lose_nothing(workshop: Workshop, client: OmniDaemonSDK, seed: int) -> None:
    """Killed with a hundred handlers under way and more waiting, every task succeeds, and only those run again."""
    chance = random.Random(seed)
    first = [workshop.start_worker(), workshop.start_worker()]
    tasks = [("work", {"n": n, "seconds": chance.uniform(0.05, 3.0)}) for n in range(500)]
    ids = await client.publish_tasks(tasks)
    workshop.until(lambda: len(workshop.lines("start")) >= 100 and len(workshop.lines("end")) >= 1)
    for process in first:
        workshop.kill(process)
    in_flight = set(workshop.times("start")) - set(workshop.times("end"))
    unrecorded = {task_id for task_id in ids if not await _is_recorded(client, task_id)} & set(workshop.times("start"))
    assert len(workshop.times("start")) < len(ids), "nothing was left waiting: the test shows nothing"

    for _ in first:
        workshop.start_worker()
    results = [await client.wait_for_result(task_id, timeout=90) for task_id in ids]

    assert {result.status for result in results} == {"succeeded"}
    assert [result.result for result in results] == list(range(500))
    starts = workshop.times("start")
    again = {task_id: starts[task_id] - 1 for task_id in ids if starts[task_id] != 1}
    # A handler that had ended, but whose outcome was not recorded yet, was in flight as well.
    assert set(again) <= in_flight | unrecorded
    assert sum(again.values()) <= len(in_flight | unrecorded)


def _has_died(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


async def _is_recorded(client: OmniDaemonSDK, task_id: str) -> bool:
    result = await client.get_result(task_id)
    return result is not None and result.is_end


async def test_a_poison_task_takes_no_other_along(workshop: Workshop, client: OmniDaemonSDK) -> None:
    """A task that kills its process is dead after three crashes; three hundred good ones beside it succeed."""
    good = [("mixed", {"n": n}) for n in range(300)]
    before, after = good[:20], good[20:]
    ids = await client.publish_tasks([*before, ("mixed", {"poison": True}), *after])
    poison = ids.pop(20)
    for _ in range(3):
        process = workshop.start_worker(may_die=True, AGENT_LEASE="1")
        workshop.until(partial(_has_died, process))
    workshop.start_worker(AGENT_LEASE="1")
    dead = await client.wait_for_result(poison, timeout=60)
    results = [await client.wait_for_result(task_id, timeout=60) for task_id in ids]

    assert (dead.status, dead.attempts) == ("dead", 3)
    assert dead.error is not None
    assert dead.error.kind == "crash"
    assert {result.status for result in results} == {"succeeded"}
    assert workshop.times("start")[poison] == 3
