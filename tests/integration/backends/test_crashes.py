"""What kill -9 may cost: nothing but another run of what was under way."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.testing.patience import eventually
from tests.integration.backends.conftest import DURABLE, over
from tests.servers.amounts import amount
from tests.servers.workshop import Workshop

TASKS = 500
SEEDS = amount(1, 5)
GOOD = amount(100, 300)


async def killed_at_work(workshop: Workshop, client: OmniDaemonSDK, seed: int) -> tuple[list[str], set[str]]:
    """Two workers killed with a hundred handlers under way and more waiting: all tasks, and those in flight."""
    chance = random.Random(seed)
    first = [workshop.start_worker(), workshop.start_worker()]
    tasks = [("work", {"n": n, "seconds": chance.uniform(0.05, 3.0)}) for n in range(TASKS)]
    ids = await client.publish_tasks(tasks)
    workshop.until(lambda: len(workshop.lines("start")) >= 100 and len(workshop.lines("end")) >= 1)
    for process in first:
        workshop.kill(process)
    started = set(workshop.times("start"))
    assert len(started) < len(ids), "nothing was left waiting: the test shows nothing"
    # A handler that had ended, but whose outcome was not recorded yet, was in flight as well.
    unrecorded = {task_id for task_id in started if not await _is_recorded(client, task_id)}
    return ids, unrecorded | (started - set(workshop.times("end")))


def assert_only_these_ran_again(workshop: Workshop, ids: Sequence[str], in_flight: set[str]) -> None:
    """Once more for each killed worker at most."""
    starts = workshop.times("start")
    again = {task_id: starts[task_id] - 1 for task_id in ids if starts[task_id] > 1}
    assert set(again) <= in_flight
    assert sum(again.values()) <= len(in_flight)


@over(DURABLE)
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_two_killed_workers_lose_nothing(workshop: Workshop, client: OmniDaemonSDK, seed: int) -> None:
    """Every task succeeds, and only what was in flight runs again."""
    ids, in_flight = await killed_at_work(workshop, client, seed)
    for _ in range(2):
        workshop.start_worker()
    results = [await client.wait_for_result(task_id, timeout=90) for task_id in ids]
    assert {result.status for result in results} == {"succeeded"}
    assert [result.result for result in results] == list(range(TASKS))
    assert_only_these_ran_again(workshop, ids, in_flight)


@over([("redis_pubsub", "redis")])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_was_begun_is_never_lost(workshop: Workshop, client: OmniDaemonSDK, seed: int) -> None:
    """Of a bus that keeps nothing: what the store had when the workers were killed succeeds, the rest is lost."""
    ids, in_flight = await killed_at_work(workshop, client, seed)
    started = set(workshop.times("start"))
    begun = {task_id: n for n, task_id in enumerate(ids) if task_id in started}
    for _ in range(2):
        workshop.start_worker()
    results = {task_id: await client.wait_for_result(task_id, timeout=90) for task_id in begun}
    assert {result.status for result in results.values()} == {"succeeded"}
    assert {task_id: result.result for task_id, result in results.items()} == begun
    # What was begun when its handler had not started yet is recovered too, and may still run.
    counts = await eventually(partial(_counts, client), lambda counts: set(counts) == {"succeeded"}, within_seconds=90)
    assert len(begun) <= counts["succeeded"] < len(ids)
    assert_only_these_ran_again(workshop, ids, in_flight)


async def _counts(client: OmniDaemonSDK) -> Mapping[str, int]:
    """The states of all runs that the store has ever had."""
    return (await client.get_agent("work", "worker")).counts


def _has_died(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


async def _is_recorded(client: OmniDaemonSDK, task_id: str) -> bool:
    result = await client.get_result(task_id)
    return result is not None and result.is_end


@over(DURABLE)
async def test_a_poison_task_takes_no_other_along(workshop: Workshop, client: OmniDaemonSDK) -> None:
    """A task that kills its process is dead after three crashes; the good ones beside it succeed."""
    good = [("mixed", {"n": n}) for n in range(GOOD)]
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
