"""Much of something: tasks that wait, stops and starts, time, processes on one file."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial

from omnidaemon.testing.chaos.census import left_over, told
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.plan import watched
from omnidaemon.testing.chaos.scenarios.backends import Load
from omnidaemon.testing.chaos.scenarios.figures import Figures, percentile
from omnidaemon.testing.chaos.stage import AGENT, BATCH, TOPIC, Stage, Work

_MEBIBYTE = 2**20
_SLOTS = 4
_SETTLING_SECONDS = 1.5
_RESTING_SECONDS = 20.0
_WARM_SHARE = 10
_UNDER_LOAD = 50
_PAGE = "tasks of a topic"
_COUNT_ALL = frozenset({"agents", "topics"})
"""They say how much waits, which a store may count one by one."""
_OF_A_WORKER = frozenset({"asyncio tasks", "threads", "files", "consumers"})
_ALLOWED = {"threads": 2, "files": 3, "asyncio tasks": 3}
"""Pools of threads and connections grow when they are first needed, and a handler may still be under way."""


async def backlog(stage: Stage, seed: int, *, tasks: int = 200_000, few: int = 1000) -> Figures:
    """However many tasks wait, a worker takes no more than it has slots for, and needs no more memory; each listing
    asks the same queries, carried out in the same way."""
    await (await stage.start_worker()).terminate()  # from now on there is somebody to wait for
    await _wait_for_nobody(stage, 0, few)
    small = await _with_a_worker(stage)
    asked_of_few, seconds_of_few = await _listed(stage)
    await _wait_for_nobody(stage, few, tasks)
    large = await _with_a_worker(stage)
    asked_of_all, seconds_of_all = await _listed(stage)
    growth = (large - small) / _MEBIBYTE
    assert growth <= 50, f"a worker needs {growth:.0f} MiB more with {tasks} tasks waiting than with {few}"
    if wrong := differences(asked_of_few, asked_of_all):
        raise AssertionError("\n".join([f"with {tasks} tasks waiting instead of {few}:", *wrong]))
    slower = [name for name, seconds in seconds_of_all.items() if seconds > 10 * seconds_of_few[name] + 0.05]
    bounded = [name for name in slower if name not in _COUNT_ALL]
    assert not bounded, {name: (seconds_of_few[name], seconds_of_all[name]) for name in bounded}
    return {
        "waiting": tasks,
        "worker MiB of few": round(small / _MEBIBYTE, 1),
        "worker MiB of all": round(large / _MEBIBYTE, 1),
        "listings": len(asked_of_all),
        "queries of few": sum(map(len, asked_of_few.values())),
        "queries of all": sum(map(len, asked_of_all.values())),
        "a page of few ms": round(seconds_of_few[_PAGE] * 1000, 1),
        "a page of all ms": round(seconds_of_all[_PAGE] * 1000, 1),
    }


async def _wait_for_nobody(stage: Stage, first: int, until: int) -> None:
    for start in range(first, until, BATCH):
        works = [Work(item=f"n{number}", seconds=3600) for number in range(start, min(start + BATCH, until))]
        await stage.client.publish_tasks([(TOPIC, work.payload()) for work in works])


async def _with_a_worker(stage: Stage) -> int:
    """The memory of a worker whose slots are all taken."""
    before = stage.begun()
    member = await stage.start_worker(concurrency=_SLOTS, OMNIDAEMON_DRAIN_SECONDS="0.1")
    await stage.until(lambda: stage.begun() - before >= _SLOTS)
    await stage.pause(_SETTLING_SECONDS)
    running = await stage.client.list_tasks(topic=TOPIC, status="running", limit=100)
    begun = stage.begun() - before
    assert len(running.results) == begun == _SLOTS, f"{begun} begun, {len(running.results)} running, {_SLOTS} slots"
    resident = member.resident_bytes()
    await member.terminate()
    return resident


async def _listed(stage: Stage) -> tuple[dict[str, list[str]], dict[str, float]]:
    """What each listing asks, where that can be seen, and the least time that it took. No worker is there: what the
    store is asked is asked by this process."""
    asked: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for name, ask in _listings(stage).items():
        times: list[float] = []
        for _ in range(5):
            began = time.monotonic()
            await ask()
            times.append(time.monotonic() - began)
        seconds[name] = min(times)
        if stage.backend.queries is not None:
            with stage.backend.queries() as queries:
                await ask()
            asked[name] = queries
    return asked, seconds


def _listings(stage: Stage) -> dict[str, Callable[[], Awaitable[object]]]:
    client = stage.client

    async def second_page() -> None:
        page = await client.list_tasks(topic=TOPIC, limit=100)
        await client.list_tasks(topic=TOPIC, limit=100, cursor=page.cursor)

    return {
        _PAGE: partial(client.list_tasks, topic=TOPIC, limit=100),
        "tasks": partial(client.list_tasks, limit=100),
        "second page": second_page,
        "queued": partial(client.list_tasks, status="queued", limit=100),
        "queued of an agent": partial(client.list_tasks, topic=TOPIC, agent=AGENT, status="queued", limit=100),
        "running": partial(client.list_tasks, status="running", limit=100),
        "dead": partial(client.list_tasks, status="dead", limit=100),
        "webhooks": partial(client.list_webhooks, limit=100),
        "workers": client.list_workers,
        "metrics": client.metrics,
        "agents": client.list_agents,
        "topics": client.topics,
    }


def differences(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[str]:
    """The listings that ask something else than before, or more, or have it carried out otherwise."""
    wrong: list[str] = []
    for name, asked in after.items():
        was, now = Counter(before[name]), Counter(asked)
        if was != now:
            more, less = [f"  + {each}" for each in (now - was).elements()], list((was - now).elements())
            wrong += [f"{name}: {len(asked)} queries instead of {len(before[name])}", *more]
            wrong += [f"  - {each}" for each in less]
    return wrong


async def stop_start(stage: Stage, seed: int, *, times: int = 2000, at_once: int = 5) -> Figures:
    """An agent is stopped and started over and over under load: nothing is lost or skipped, and nothing is left
    over."""
    member = await stage.start_worker()
    await _stops_and_starts(stage, times // _WARM_SHARE, "warm", at_once)  # pools grow to what they need
    await stage.settled()
    before = await stage.census(member)
    await _stops_and_starts(stage, times, "n", at_once)
    verdict = await stage.clean_verdict()
    assert verdict.excess == 0
    skipped = sum(metrics.tasks_skipped for metrics in (await stage.client.metrics()).values())
    assert skipped == 0, f"{skipped} tasks were skipped"
    after = await _settled_census(stage, member, _only(before, _OF_A_WORKER))
    _nothing_left_over(before, after, of=_OF_A_WORKER)
    return {
        "stops and starts": times,
        "skipped": skipped,
        "before → after": told(_only(before, _OF_A_WORKER), _only(after, _OF_A_WORKER)),
        **verdict.figures(),
    }


async def _stops_and_starts(stage: Stage, times: int, prefix: str, at_once: int) -> None:
    begun = stage.begun()
    load = Load(stage, lambda number: Work(item=f"{prefix}{number}", seconds=0.01), at_once=at_once)
    await stage.until(lambda: stage.begun() > begun + _UNDER_LOAD)
    for _ in range(times):
        await stage.client.stop_agent(TOPIC, AGENT)
        await stage.client.start_agent(TOPIC, AGENT)
    await load.stop()


async def soak(stage: Stage, seed: int, *, minutes: float = 20.0, growth_mebibytes: float = 3.0) -> Figures:
    """A worker works on for long, while ended tasks expire after seconds: it does not grow, and nothing is left."""
    member = await stage.start_worker(OMNIDAEMON_RESULT_TTL="5s")
    warm = Load(stage, lambda number: Work(item=f"warm-{number}", seconds=0.02), at_once=10, pause=0.2)
    await stage.until(lambda: stage.begun() > 100)
    await warm.stop()
    await stage.nothing_left(within_seconds=60)
    before = await _settled_census(stage, member, None)
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=0.02), at_once=10, pause=0.2)
    quarter, end = minutes * 15, minutes * 60
    began = time.monotonic()
    await stage.pause(quarter)
    early = member.resident_bytes()
    await stage.pause(end - (time.monotonic() - began))
    late = member.resident_bytes()
    await load.stop()
    published = warm.published + load.published
    await stage.until(lambda: stage.begun() == published)
    await stage.nothing_left(within_seconds=60)
    runs = Counter(each.task_id for each in stage.executions() if each.ended_at is not None)
    assert len(runs) == published, f"{published - len(runs)} of {published} tasks were not executed"
    assert set(runs.values()) == {1}, "some were executed more than once"
    growth = (late - early) / _MEBIBYTE
    assert growth <= growth_mebibytes, f"the worker grew by {growth:.1f} MiB"
    after = await _settled_census(stage, member, before)
    _nothing_left_over(before, after, of=after.keys())
    return {
        "minutes": minutes,
        "tasks": published,
        "lost": 0,
        "beyond one": 0,
        "growth MiB": round(growth, 2),
        "before → after": told(before, after),
    }


async def _settled_census(stage: Stage, member: Member, before: Mapping[str, int] | None) -> dict[str, int]:
    """What there is once nothing goes on: retention, a closing connection and the like take their moments, so it is
    looked at again until it is as before, or has come to rest."""
    found = await stage.census(member)
    ends_at = time.monotonic() + _RESTING_SECONDS
    while time.monotonic() < ends_at and (before is None or left_over(before, _only(found, before), _ALLOWED)):
        await stage.pause(1.0)
        found = await stage.census(member)
    return found


def _nothing_left_over(before: Mapping[str, int], after: Mapping[str, int], of: Collection[str]) -> None:
    left = left_over(before, _only(after, of), _ALLOWED)
    assert not left, f"left over: {'; '.join(left)}"


def _only(counts: Mapping[str, int], of: Collection[str]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if kind in of}


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
