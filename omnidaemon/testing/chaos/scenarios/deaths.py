"""Workers that die: at random, at every failpoint, by a task of their own, all at once."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from omnidaemon.testing.chaos.agents import REPLIES
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.points import Failpoint, Side, failpoints
from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work

_PASS_SECONDS = 0.5
_LONGEST_PASS_SECONDS = 3.0
_ROUNDS = 2
"""A point that nobody came to is tried once more: some are passed only when two things happen in one order."""
# Others than this machine's processes may publish on a network bus, so that its workers do not tell loopback unasked.
_LOOPBACK: Mapping[str, Any] = {"OMNIDAEMON_WEBHOOK_ALLOW": "127.0.0.1"}
# A reply is published and logged by two calls, or by one.
_REPLYING = (
    frozenset({("EventBus", "publish"), ("TaskLog", "add")}),
    frozenset({("LoggingBus", "publish_logged")}),
)
_TELLING = frozenset({("RunStore", "finish"), ("Outbox", "take"), ("Notifier", "send"), ("Outbox", "settle")}).union(
    *_REPLYING
)
_GOOD_ENDS = frozenset({0, -signal.SIGKILL})
"""Of whoever may be killed where it was told to be: a worker whose drain takes too long ends well, too."""
_INDIVISIBLE = frozenset({Failpoint(side=Side.AFTER, port="Inbox", method="receive")})


async def kills(
    stage: Stage, seed: int, *, tasks: int = 10_000, kills: int = 50, workers: int = 3, seconds: float = 0.2
) -> Figures:
    """Workers are killed and started again while they work: nothing is lost, and only what was under way runs again."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    members = [await stage.start_worker() for _ in range(workers)]
    works = [Work(item=f"n{number}", seconds=chance.uniform(0, seconds)) for number in range(tasks)]
    publishing = asyncio.create_task(stage.publish(works))
    for number in range(kills):
        await stage.until(partial(_has_come_to, stage, tasks * (number + 1) // (kills + 2)))
        victim = chance.choice([member for member in members if "ready" in member.words] or members)
        await victim.kill()
        members.remove(victim)
        members.append(stage.launch("work"))
    await publishing
    verdict = await stage.clean_verdict(within_seconds=60 + tasks / 50)
    assert len(await stage.endings()) == tasks
    return {"kills": kills, **verdict.figures()}


async def poison(stage: Stage, seed: int, *, tasks: int = 1000, crash_limit: int = 3, seconds: float = 0.2) -> Figures:
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
    """All workers die at once with everything under way: all of it is begun again within a lease and two seconds
    after the first of them is back."""
    members = [await stage.start_worker(concurrency=runs, policy={"lease": lease}) for _ in range(workers)]
    await stage.publish([Work(item=f"n{number}", seconds=seconds) for number in range(runs)])
    await stage.until(lambda: stage.begun() == runs)
    killed_at = time.monotonic()
    for member in members:
        await member.kill()
    back = [stage.launch("work", concurrency=runs, policy={"lease": lease}) for _ in range(workers)]
    await stage.until(lambda: any("ready (process" in member.words for member in back))
    ready_at = time.monotonic()
    verdict = await stage.clean_verdict()
    again = [execution for execution in stage.executions() if execution.began_at > killed_at]
    assert len(again) == runs
    slowest = max(execution.began_at for execution in again) - ready_at
    assert slowest <= lease + 2, f"begun again only {slowest:.2f} s after a worker was back"
    return {"slowest after a worker was back s": round(slowest, 2), **verdict.figures()}


async def failpoint_kills(stage: Stage, seed: int, *, every: int = 1, call: int = 1) -> Figures:
    """A worker, a publisher and somebody who gives orders are killed before and after each call on a port; every item
    is published again by the next ones, under its own key, until it is confirmed. Whoever shall be told of its end, by
    webhook and by reply, is told."""
    async with stage.receiver() as receiver:
        return await _kills_at(stage, failpoints()[seed % every :: every], call, receiver.url)


async def _kills_at(stage: Stage, points: Sequence[Failpoint], call: int, webhook: str) -> Figures:
    missed = list(points)
    orders: list[dict[str, object]] = []
    for round_ in range(_ROUNDS):
        tried, missed = missed, []
        for number, point in enumerate(tried):
            some = _keyed_orders(f"n{round_}-{number}", webhook)
            orders += some
            if not await _dies_at(stage, f"{point}=kill@{call}", some):
                missed.append(point)
    # What publishers were killed over is published now, under the same keys.
    await stage.start_publisher(orders).gone()
    await stage.start_worker(**_LOOPBACK)
    verdict = await stage.clean_verdict()
    assert verdict.published == len(orders)
    telling = await stage.clean_telling(await stage.endings())
    return {
        "points": len(points),
        "reached": len(points) - len(missed),
        "not called": " ".join(sorted(map(str, missed))) or "none",
        **verdict.figures(),
        **telling.figures(),
    }


async def _dies_at(stage: Stage, order: str, publications: Sequence[Mapping[str, object]]) -> bool:
    """Whether any of them came to where it was to die: a worker, a publisher of these, somebody who gives orders."""
    worker = stage.launch("work", failpoints=order, concurrency=200, OMNIDAEMON_DRAIN_SECONDS="0.2", **_LOOPBACK)
    clients = [stage.start_publisher(publications, failpoints=order), stage.launch("tour", failpoints=order)]
    codes = [await client.gone() for client in clients]
    assert set(codes) <= _GOOD_ENDS, f"{order}: {[client.words for client in clients]}"
    await worker.says("ready (process")
    pause = _PASS_SECONDS if -signal.SIGKILL in codes else _LONGEST_PASS_SECONDS
    await stage.within(pause, partial(_is_gone, worker))
    # Some points are passed by whoever leaves, and gives back what it has not finished.
    stage.excuse(worker)
    codes.append(await worker.terminate())
    assert codes[-1] in _GOOD_ENDS, f"{order}: {worker.words}"
    stage.excuse(worker)  # what it began meanwhile, it gave back too
    return -signal.SIGKILL in codes


def _keyed_orders(name: str, webhook: str) -> list[dict[str, object]]:
    """Four items: one that fails once, one that takes longer than its first worker stays, and one that is delayed."""
    told = {"webhook": webhook, "reply_to": REPLIES}
    items = [f"{name}-{part}" for part in range(4)]
    return [
        {
            "item": item,
            "work": Work(item=item, failures=int(part == 1), seconds=5.0 if part == 2 else 0.1).payload(),
            "options": {"idempotency_key": item, **told, **({"delay": 0.2} if part == 3 else {})},
        }
        for part, item in enumerate(items)
    ]


async def notification_kills(stage: Stage, seed: int, *, calls: int = 3, items: int = 6) -> Figures:
    """A worker is killed between a run's end and what is recorded of telling somebody, at each call: its webhook and
    its reply come once or more, under one id, and never not at all."""
    points = [point for point in failpoints() if (point.port, point.method) in _TELLING]
    killed = 0
    missed = set(points)
    works: list[Work] = []
    async with stage.receiver() as receiver:
        for call in range(1, calls + 1):
            for point in points:
                worker = await stage.start_worker(failpoints=f"{point}=kill@{call}", **_LOOPBACK)
                some = [
                    Work(item=f"{call}-{point.side}-{point.method}-{part}", failures=part % 2, seconds=0.02 * part)
                    for part in range(items)
                ]
                works += some
                await stage.publish(some, batch=2, webhook=receiver.url, reply_to=REPLIES)
                if await stage.within(_LONGEST_PASS_SECONDS, partial(_is_gone, worker)):
                    killed += 1
                    missed.discard(point)
                stage.excuse(worker)
                await worker.terminate()
        await stage.start_worker(**_LOOPBACK)
        verdict = await stage.clean_verdict()
        endings = await stage.endings()
        assert len(endings) == len(works)
        telling = await stage.clean_telling(endings)
    uncalled = {(point.port, point.method) for point in missed}
    assert any(uncalled <= way for way in _REPLYING), f"no worker came to {sorted(map(str, missed))}"
    return {"workers": calls * len(points), "killed": killed, **verdict.figures(), **telling.figures()}


async def failpoint_errors(stage: Stage, seed: int, *, tasks: int = 300, calls: Sequence[int] = (2, 3, 5)) -> Figures:
    """Each call on a port fails once, before it was done and after: nothing is lost, and nothing runs twice."""
    for number in calls:
        # An inbox that hands deliveries out answers for them itself: nobody can lose them on the way.
        orders = " ".join(f"{point}=raise@{number}" for point in failpoints() if point not in _INDIVISIBLE)
        worker = await stage.start_worker(failpoints=orders)
        assert worker.exit_code is None
        await stage.publish(
            [Work(item=f"{number}-{part}", failures=part % 2, seconds=0.02) for part in range(tasks)], batch=20
        )
        await stage.settled()
        await worker.terminate()
    verdict = await stage.clean_verdict()
    assert verdict.excess == 0
    return dict(verdict.figures())


def _has_come_to(stage: Stage, count: int) -> bool:
    return stage.begun() >= count


def _is_gone(member: Member) -> bool:
    return member.exit_code is not None
