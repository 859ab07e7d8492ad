"""Much of something: tasks that wait, stops and starts, time, processes on one file."""

from __future__ import annotations

import random
import time
from collections import Counter

from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.plan import watched
from omnidaemon.testing.chaos.scenarios.backends import Load
from omnidaemon.testing.chaos.scenarios.figures import Figures, percentile
from omnidaemon.testing.chaos.stage import AGENT, BATCH, TOPIC, Stage, Work

_MEBIBYTE = 2**20
_SLOTS = 4
_SETTLING_SECONDS = 1.5


async def backlog(stage: Stage, seed: int, *, tasks: int = 200_000, few: int = 1000) -> Figures:
    """However many tasks wait, a worker takes no more than it has slots for, and needs no more memory; a page of a
    listing costs the same."""
    await (await stage.start_worker()).terminate()  # from now on there is somebody to wait for
    await _wait_for_nobody(stage, 0, few)
    small, listing_few = await _with_a_worker(stage)
    await _wait_for_nobody(stage, few, tasks)
    large, listing_many = await _with_a_worker(stage)
    growth = (large - small) / _MEBIBYTE
    assert growth <= 50, f"a worker needs {growth:.0f} MiB more with {tasks} tasks waiting than with {few}"
    assert listing_many <= 10 * listing_few + 0.05, f"a page takes {listing_many:.3f} s, and {listing_few:.3f} s of few"
    return {
        "waiting": tasks,
        "worker MiB of few": round(small / _MEBIBYTE, 1),
        "worker MiB of all": round(large / _MEBIBYTE, 1),
        "a page of few ms": round(listing_few * 1000, 1),
        "a page of all ms": round(listing_many * 1000, 1),
    }


async def _wait_for_nobody(stage: Stage, first: int, until: int) -> None:
    for start in range(first, until, BATCH):
        works = [Work(item=f"n{number}", seconds=3600) for number in range(start, min(start + BATCH, until))]
        await stage.client.publish_tasks([(TOPIC, work.payload()) for work in works])


async def _with_a_worker(stage: Stage) -> tuple[int, float]:
    """The memory of a worker whose slots are all taken, and the time of a page of what waits."""
    before = stage.begun()
    member = await stage.start_worker(concurrency=_SLOTS, OMNIDAEMON_DRAIN_SECONDS="0.1")
    await stage.until(lambda: stage.begun() - before >= _SLOTS)
    await stage.pause(_SETTLING_SECONDS)
    running = await stage.client.list_tasks(topic=TOPIC, status="running", limit=100)
    begun = stage.begun() - before
    assert len(running.results) == begun == _SLOTS, f"{begun} begun, {len(running.results)} running, {_SLOTS} slots"
    resident = member.resident_bytes()
    times: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        await stage.client.list_tasks(topic=TOPIC, status="queued", limit=100)
        await stage.client.list_tasks(topic=TOPIC, limit=100)
        times.append(time.monotonic() - began)
    await member.terminate()
    return resident, min(times)


async def stop_start(stage: Stage, seed: int, *, times: int = 2000, at_once: int = 5) -> Figures:
    """An agent is stopped and started over and over under load: nothing is lost or skipped, and nothing is left
    over."""
    member = await stage.start_worker()
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=0.01), at_once=at_once)
    await stage.until(lambda: stage.begun() > 50)
    before = (member.files(), member.threads())
    for _ in range(times):
        await stage.client.stop_agent(TOPIC, AGENT)
        await stage.client.start_agent(TOPIC, AGENT)
    await load.stop()
    verdict = await stage.clean_verdict()
    assert verdict.excess == 0
    after = (member.files(), member.threads())
    assert after[0] <= before[0] + 3, f"{before[0]} file descriptors before, {after[0]} after"
    assert after[1] <= before[1] + 2, f"{before[1]} threads before, {after[1]} after"
    return {"stops and starts": times, "files": f"{before[0]} → {after[0]}", **verdict.figures()}


async def soak(stage: Stage, seed: int, *, minutes: float = 20.0, growth_mebibytes: float = 3.0) -> Figures:
    """A worker works on for long, while ended tasks expire after seconds: it does not grow, and nothing is left."""
    member = await stage.start_worker(OMNIDAEMON_RESULT_TTL="5s")
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=0.02), at_once=10, pause=0.2)
    quarter, end = minutes * 15, minutes * 60
    began = time.monotonic()
    await stage.pause(quarter)
    early = (member.resident_bytes(), member.files(), member.threads())
    await stage.pause(end - (time.monotonic() - began))
    late = (member.resident_bytes(), member.files(), member.threads())
    await load.stop()
    await stage.until(lambda: stage.begun() == load.published)
    await stage.nothing_left(within_seconds=60)
    runs = Counter(each.task_id for each in stage.executions() if each.ended_at is not None)
    assert len(runs) == load.published
    assert set(runs.values()) == {1}
    growth = (late[0] - early[0]) / _MEBIBYTE
    assert growth <= growth_mebibytes, f"the worker grew by {growth:.1f} MiB"
    assert late[1] <= early[1] + 3
    assert late[2] <= early[2] + 2
    return {"minutes": minutes, "tasks": load.published, "lost": 0, "beyond one": 0, "growth MiB": round(growth, 2)}


async def crowd(
    stage: Stage, seed: int, *, workers: int = 8, seconds: float = 300.0, kill_every: float = 20.0, lease: float = 2.0
) -> Figures:
    """Many processes work on one file, some of them killed: renewals wait for no third of a lease, who lives gets a
    fair share, and the file is whole afterwards."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    options = {"policy": {"lease": lease}, "concurrency": 10, "failpoints": "after:RunStore.renew=watch"}
    members = [await stage.start_worker(**options) for _ in range(workers)]
    keepers = members[workers // 2 :]
    victims: list[Member] = members[: workers // 2]
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=0.1), at_once=30, pause=0.1)
    ends_at, kills = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        await stage.pause(min(kill_every, seconds / 3))
        victim = victims.pop(chance.randrange(len(victims)))
        await victim.kill()
        kills += 1
        victims.append(await stage.start_worker(**options))
    await load.stop()
    verdict = await stage.clean_verdict(within_seconds=300)
    shares = Counter(each.pid for each in stage.executions())
    fair = [shares[member.pid] for member in keepers]
    waits = [wait for member in (*keepers, *victims) for wait in watched(member.words)]
    await stage.whole()
    assert max(fair) <= 3 * min(fair), f"shares of those that lived: {fair}"
    assert max(waits) <= lease / 3, f"a renewal took {max(waits):.2f} s"
    return {
        "processes": workers,
        "kills": kills,
        "renewals": len(waits),
        "slowest renewal s": round(max(waits), 3),
        "p99 s": round(percentile(waits, 0.99), 3),
        "largest share ÷ smallest": round(max(fair) / min(fair), 2),
        **verdict.figures(),
    }
