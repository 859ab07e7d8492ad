"""Leases: kept by whoever lives, soon taken from whoever dies, and lost by whoever sleeps too long."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.testing.chaos.agents import SCRATCH
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.scenarios.figures import Figures, percentile
from omnidaemon.testing.chaos.stage import Stage, Work

_NO_DRAIN = {"OMNIDAEMON_DRAIN_SECONDS": "0.05"}
_MOST_FED = 200
_LEASES_OF_WORK = 5


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
        await _feed(stage, [victim], f"n{number}", seconds=3.0)
        at = time.monotonic()
        await victim.kill()
        cut = stage.under_way(victim)
        starting = asyncio.create_task(stage.start_worker(policy={"lease": lease}))
        await stage.until(partial(stage.has_begun, cut, at))
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
        await _feed(stage, [victim], f"n{number}", seconds=2.0)
        at = time.monotonic()
        cut = stage.under_way(victim)
        stage.excuse(victim)
        victim.send(signal.SIGTERM)
        starting = asyncio.create_task(stage.start_worker(**_NO_DRAIN))
        await stage.until(partial(stage.has_begun, cut, at))
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
    and handlers that still have something to do are cancelled. Who stands still in the middle of writing to a file
    holds it meanwhile."""
    policy = {"lease": lease}
    sleepers = [await stage.start_worker(policy=policy) for _ in range(workers)]
    awake = [await stage.start_worker(policy=policy) for _ in range(survivors)]
    cut_in_all = cancelled = held_rounds = cut_short = 0
    for number in range(rounds):
        await _feed(stage, sleepers, f"n{number}", seconds=lease * _LEASES_OF_WORK, least=2 * workers)
        at = time.monotonic()
        for member in sleepers:
            member.freeze()
        cut = set().union(*(stage.under_way(member) for member in sleepers))
        cut_in_all += len(cut)
        is_taken_over = await stage.within(lease * 10, partial(stage.has_begun, cut, at))
        if not is_taken_over:
            left = {item for item in cut if not stage.has_begun([item], at)}
            assert await _is_held(stage), f"the survivors could have taken over {left}"
            held_rounds += 1
        # Else their handlers find at waking that their time is over: there is nothing to be cancelled.
        cut_short += is_taken_over and time.monotonic() - at < lease * (_LEASES_OF_WORK - 1)
        for member in sleepers:
            member.thaw()
        if is_taken_over:
            lost = {each.task_id: each.pid for each in reversed(stage.executions()) if each.item in cut}
            await stage.until(partial(_have_stopped, stage, lost), 30)
            cancelled += len(lost.keys() & _cancelled(stage))
        await stage.settled()
    assert all(member.exit_code is None for member in (*sleepers, *awake))
    assert cancelled or not cut_short, "no handler was cancelled"
    verdict = await stage.clean_verdict()
    return {
        "rounds": rounds,
        "frozen under way": cut_in_all,
        "handlers cancelled": cancelled,
        "rounds with the file held": held_rounds,
        **verdict.figures(),
    }


async def _is_held(stage: Stage) -> bool:
    """Whether nobody at all can write: a file whose lock a frozen process holds."""
    if not stage.backend.is_file:
        return False
    try:
        await stage.client.publish_task(SCRATCH, None)
    except OmniDaemonError as error:
        return error.is_transient
    return False


def _cancelled(stage: Stage) -> set[str]:
    return {task_id for task_id, _ in stage.noted("cancelled")}


def _have_stopped(stage: Stage, lost: Mapping[str, int]) -> bool:
    """Whether each handler of a lost run was cancelled, or had ended when it woke up: its time was over."""
    ended = {(each.task_id, each.pid) for each in stage.executions() if each.ended_at is not None}
    return all(run in ended for run in lost.items() if run[0] not in _cancelled(stage))


async def _feed(stage: Stage, members: Sequence[Member], prefix: str, *, seconds: float, least: int = 3) -> None:
    """Publish one by one until these have so many under way: who takes what is for the bus to say."""
    number = 0
    while sum(len(stage.under_way(member)) for member in members) < least:
        assert number < _MOST_FED, "they get nothing"
        await stage.publish([Work(item=f"{prefix}-{number}", seconds=seconds)])
        await stage.until(partial(stage.has_begun, [f"{prefix}-{number}"]))
        number += 1


def _begun_since(stage: Stage, at: float) -> dict[str, float]:
    return {each.item: each.began_at for each in reversed(stage.executions()) if each.began_at > at}
