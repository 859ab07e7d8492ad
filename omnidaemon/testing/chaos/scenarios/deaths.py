"""Workers that die: at random, at every failpoint, by a task of their own, all at once."""

from __future__ import annotations

import asyncio
import random
import time

from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work


async def kills(
    stage: Stage, seed: int, *, tasks: int = 10_000, kills: int = 50, workers: int = 3, seconds: float = 0.2
) -> Figures:
    """Workers are killed and started again while they work: nothing is lost, and only what was under way runs again."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    members = [await stage.start_worker() for _ in range(workers)]
    works = [Work(item=f"n{number}", seconds=chance.uniform(0, seconds)) for number in range(tasks)]
    publishing = asyncio.create_task(stage.publish(works))
    for number in range(kills):
        await stage.until(lambda done=number: stage.begun() >= tasks * (done + 1) // (kills + 2))
        victim = chance.choice([member for member in members if "ready" in member.words] or members)
        await victim.kill()
        members.remove(victim)
        members.append(stage.launch("work"))
    await publishing
    verdict = await stage.clean_verdict(within_seconds=60 + tasks / 50)
    assert len(await stage.endings()) == tasks
    return {"kills": kills, **verdict.figures()}


async def poison(
    stage: Stage, seed: int, *, tasks: int = 1000, crash_limit: int = 3, seconds: float = 0.2
) -> Figures:
    """A task that kills its process is dead after its crashes, and takes nobody along."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    works = [Work(item=f"n{number}", seconds=seconds) for number in range(tasks)]
    works.insert(chance.randrange(tasks), Work(item="poison", how="die"))
    await stage.start_publisher([]).gone()  # one that opens everything, so that the file is there
    await stage.publish(works)
    policy = {"crash_limit": crash_limit}
    member = await stage.start_worker(policy=policy)
    deaths = 0
    while deaths < crash_limit:
        await member.gone(within_seconds=120)
        deaths += 1
        member = stage.launch("work", policy=policy)
    verdict = await stage.clean_verdict(within_seconds=120 + tasks / 20, doomed=("poison",))
    (dead,) = (ending for ending in (await stage.endings()).values() if ending.status == "dead")
    assert not dead.result
    died = sum(execution.item == "poison" for execution in stage.executions())
    assert died == crash_limit, f"the poison task was executed {died} times"
    return {"deaths": deaths, **verdict.figures()}


async def reboot(
    stage: Stage, seed: int, *, runs: int = 100, workers: int = 2, seconds: float = 3.0, lease: float = 2.0
) -> Figures:
    """All workers die at once with everything under way: once they are back, all of it is done in a lease's time."""
    members = [await stage.start_worker(concurrency=runs, policy={"lease": lease}) for _ in range(workers)]
    await stage.publish([Work(item=f"n{number}", seconds=seconds) for number in range(runs)])
    await stage.until(lambda: stage.begun() == runs)
    killed_at = time.monotonic()
    for member in members:
        await member.kill()
    for _ in range(workers):
        stage.launch("work", concurrency=runs, policy={"lease": lease})
    verdict = await stage.clean_verdict()
    again = [execution for execution in stage.executions() if execution.began_at > killed_at]
    assert len(again) == runs
    slowest = max(execution.began_at - killed_at for execution in again)
    assert slowest <= lease + 2, f"begun again only {slowest:.2f} s after the reboot"
    return {"slowest restart s": round(slowest, 2), **verdict.figures()}

