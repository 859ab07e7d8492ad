"""Publishers that crowd, and that die in the middle."""

from __future__ import annotations

import random
from functools import partial

from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work


async def one_key(stage: Stage, seed: int, *, keys: int = 200, at_once: int = 100, kill_every: int = 4) -> Figures:
    """Many callers publish with one key at once, in two processes, one of which is often killed in between: it is one
    task, and it is published."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    await stage.start_worker()
    killed = 0
    for first in range(0, keys, 20):
        orders = [
            {
                "item": f"n{number}",
                "work": Work(item=f"n{number}").payload(),
                "options": {"idempotency_key": f"key-{number}"},
                "at_once": at_once // 2,
            }
            for number in range(first, min(first + 20, keys))
        ]
        victims = [stage.start_publisher(orders) for _ in range(2)]
        if first // 20 % kill_every != kill_every - 1:
            await stage.until(partial(_has_begun, stage, victims[0]))
            await stage.pause(chance.uniform(0, 0.2))
            await victims[0].kill()
            killed += 1
        for victim in victims:
            await victim.gone()
    verdict = await stage.clean_verdict()
    endings = await stage.endings()
    assert len(endings) == keys, f"{len(endings)} tasks of {keys} keys"
    return {"keys": keys, "callers of each": at_once, "publishers killed": killed, **verdict.figures()}


def _has_begun(stage: Stage, publisher: Member) -> bool:
    return stage.has_sent(publisher.pid) or publisher.exit_code is not None
