"""Leases: kept by whoever lives, soon taken from whoever dies, and lost by whoever sleeps too long."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.scenarios.figures import Figures, percentile
from omnidaemon.testing.chaos.stage import Stage, Work

_NO_DRAIN = {"OMNIDAEMON_DRAIN_SECONDS": "0.05"}
_MOST_FED = 60


async def long_tasks(
    stage: Stage, seed: int, *, leases: int = 20, times: int = 10, workers: int = 5, lease: float = 2.0
) -> Figures:
    """A task of many leases is executed once, whether it waits or blocks its loop."""
    for _ in range(workers):
        await stage.start_worker(concurrency=2 + times // workers, policy={"lease": lease})
    works = [
        Work(item=f"{how}-{number}", seconds=leases * lease, how=how)
        for how in ("await", "sleep")
        for number in range(times)
    ]
    await stage.publish(works)
    # A loop that is blocked takes its tasks one after the other, and holds their leases all the while.
    verdict = await stage.clean_verdict(within_seconds=60 + leases * lease * (2 * times))
    assert verdict.excess == 0
    return {"leases": leases, **verdict.figures()}


async def recovery(stage: Stage, seed: int, *, kills: int = 40, lease: float = 2.0) -> Figures:
    """What a killed worker had under way is soon begun by another."""
    keeper = await stage.start_worker(policy={"lease": lease})
    victim = await stage.start_worker(policy={"lease": lease})
    delays: list[float] = []
    for number in range(kills):
        await _feed(stage, victim, f"n{number}", seconds=3.0)
        at = time.monotonic()
        await victim.kill()
        cut = _under_way(stage, victim)
        starting = asyncio.create_task(stage.start_worker(policy={"lease": lease}))
        await stage.until(lambda them=cut, since=at: them <= _begun_since(stage, since).keys())
        delays += [_begun_since(stage, at)[item] - at for item in cut]
        victim = await starting
    assert keeper.exit_code is None
    verdict = await stage.clean_verdict()
    p95 = percentile(delays, 0.95)
    assert p95 <= lease + 2, f"p95 of {len(delays)} recoveries is {p95:.2f} s"
    return {
        "kills": kills,
        "recovered": len(delays),
        "p50 s": round(percentile(delays, 0.5), 2),
        "p95 s": round(p95, 2),
        "max s": round(max(delays), 2),
        **verdict.figures(),
    }


async def release(stage: Stage, seed: int, *, stops: int = 10) -> Figures:
    """What a worker that is told to stop gives back is begun by another at once."""
    await stage.start_worker()
    victim = await stage.start_worker(**_NO_DRAIN)
    delays: list[float] = []
    for number in range(stops):
        await _feed(stage, victim, f"n{number}", seconds=2.0)
        at = time.monotonic()
        cut = _under_way(stage, victim)
        stage.excuse(victim)
        victim.send(signal.SIGTERM)
        starting = asyncio.create_task(stage.start_worker(**_NO_DRAIN))
        await stage.until(lambda them=cut, since=at: them <= _begun_since(stage, since).keys())
        delays += [_begun_since(stage, at)[item] - at for item in cut]
        await victim.gone()
        victim = await starting
    verdict = await stage.clean_verdict()
    slowest = max(delays)
    assert slowest <= 1, f"given back, and begun again only {slowest:.2f} s later"
    return {"stops": stops, "given back": len(delays), "max s": round(slowest, 2), **verdict.figures()}


async def freezes(
    stage: Stage, seed: int, *, rounds: int = 25, workers: int = 8, survivors: int = 2, lease: float = 2.0
) -> Figures:
    """Workers stand still for longer than their lease: others finish their tasks; what they wake up with is refused,
    and their handlers are cancelled."""
    policy = {"lease": lease}
    sleepers = [await stage.start_worker(policy=policy) for _ in range(workers)]
    awake = [await stage.start_worker(policy=policy) for _ in range(survivors)]
    cut_in_all = 0
    for number in range(rounds):
        await stage.publish(
            [Work(item=f"n{number}-{part}", seconds=lease * 4) for part in range(4 * (workers + survivors))]
        )
        await stage.until(lambda count=number + 1: stage.begun_items() >= count * 4 * (workers + survivors))
        cut: dict[str, Member] = {}
        for member in sleepers:
            member.freeze()
            cut |= dict.fromkeys(_under_way(stage, member), member)
        at = time.monotonic()
        cut_in_all += len(cut)
        await stage.until(lambda them=cut, since=at: them.keys() <= _begun_since(stage, since).keys())
        for member in sleepers:
            member.thaw()
        lost = {_task_of(stage, item) for item in cut}
        await stage.until(lambda these=lost: these <= {task_id for task_id, _ in stage.noted("cancelled")}, 30)
        await stage.settled()
    assert all(member.exit_code is None for member in (*sleepers, *awake))
    verdict = await stage.clean_verdict()
    return {"rounds": rounds, "frozen under way": cut_in_all, "cancelled": cut_in_all, **verdict.figures()}


async def _feed(stage: Stage, member: Member, prefix: str, *, seconds: float, least: int = 3) -> None:
    """Publish one by one until this worker has so many under way: who takes what is for the bus to say."""
    number = 0
    while len(_under_way(stage, member)) < least:
        assert number < _MOST_FED, "it gets nothing"
        await stage.publish([Work(item=f"{prefix}-{number}", seconds=seconds)])
        await stage.until(lambda item=f"{prefix}-{number}": item in _begun_since(stage, 0.0))
        number += 1


def _under_way(stage: Stage, member: Member) -> set[str]:
    """The items that this worker has begun and not ended."""
    return {each.item for each in stage.executions() if each.pid == member.pid and each.ended_at is None}


def _begun_since(stage: Stage, at: float) -> dict[str, float]:
    return {each.item: each.began_at for each in reversed(stage.executions()) if each.began_at > at}


def _task_of(stage: Stage, item: str) -> str:
    return next(each.task_id for each in stage.executions() if each.item == item)


def shares(stage: Stage) -> Counter[int]:
    """How many executions each process has begun."""
    return Counter(each.pid for each in stage.executions())
