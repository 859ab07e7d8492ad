"""Servers that die, stay away, or are reached over a bad line."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.proxy import BLACK_HOLE, FAIR, TcpProxy, Way, Weather
from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work

_MEBIBYTE = 2**20
_WEATHERS = (
    Weather(cut_after_bytes=20_000),
    Weather(cut_after_bytes=200_000),
    BLACK_HOLE,
    Weather(held=frozenset({Way.TO_CLIENT})),
    Weather(held=frozenset({Way.TO_SERVER})),
    Weather(latency_seconds=0.1, jitter=0.5),
    Weather(bytes_per_second=50_000),
    Weather(is_refusing=True),
)


class Load:
    """Publishes without end, a few at a time; what is not answered stays unknown."""

    def __init__(self, stage: Stage, work: Callable[[int], Work], *, at_once: int = 10, pause: float = 0.1) -> None:
        self.refused = 0
        self.published = 0
        self._stage = stage
        self._work = work
        self._at_once = at_once
        self._pause = pause
        self._number = 0
        self._is_over = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._is_over.is_set():
            works = [self._work(self._number + part) for part in range(self._at_once)]
            self._number += self._at_once
            try:
                self.published += len(await self._stage.publish(works))
            except OmniDaemonError:
                self.refused += 1
            await self._stage.pause(self._pause)

    async def stop(self) -> None:
        """Publish nothing more."""
        self._is_over.set()
        await self._task


async def server_kills(stage: Stage, seed: int, *, kills: int = 10, workers: int = 3) -> Figures:
    """The server is killed under load and started again: nothing confirmed is lost, and work goes on within ten
    seconds."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    server = stage.backend.server
    assert server is not None
    members = [await stage.start_worker() for _ in range(workers)]
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=0.05))
    silences: list[float] = []
    for _ in range(kills):
        await stage.pause(chance.uniform(0.5, 3))
        await asyncio.to_thread(server.stop, signal.SIGKILL)
        await stage.pause(chance.uniform(0, 2))
        await asyncio.to_thread(server.start)
        silences.append(await _silence(stage))
    await load.stop()
    assert all(member.exit_code is None for member in members)
    verdict = await stage.clean_verdict()
    assert max(silences) <= 10, f"nothing was begun for {max(silences):.1f} s after the server was back"
    return {
        "server kills": kills,
        "longest silence s": round(max(silences), 2),
        "publications refused": load.refused,
        **verdict.figures(),
    }


async def bad_line(stage: Stage, seed: int, *, seconds: float = 600.0, workers: int = 3, lease: float = 2.0) -> Figures:
    """Workers and publishers reach their server over a line that cuts, holds back and slows down: nothing is lost, no
    reply is taken for another's, nobody is stuck, and no worker that lives is taken for dead."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    (cable,) = stage.backend.cables
    members = [await stage.start_worker(policy={"lease": lease}) for _ in range(workers)]
    load = Load(stage, lambda number: Work(item=f"n{number}", seconds=chance.uniform(0, 1)), at_once=5, pause=0.2)
    silences: list[float] = []
    ends_at, round_ = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        await _storm(stage, cable, chance, round_)
        cable.weather = FAIR
        silences.append(await _silence(stage))
        # A line that comes and goes within a lease may cost living workers theirs, or nobody would ever be recovered.
        await stage.pause(chance.uniform(1.2, 2) * lease)
        round_ += 1
    await load.stop()
    assert all(member.exit_code is None for member in members)
    verdict = await stage.clean_verdict()
    crashes = sum(metrics.tasks_crashed for metrics in (await stage.client.metrics()).values())
    assert max(silences) <= 30, f"nothing was begun for {max(silences):.1f} s in fair weather"
    assert crashes == 0, f"{crashes} crashes were counted, and every worker lives"
    return {
        "storms": round_,
        "connections cut": cable.cuts,
        "longest silence s": round(max(silences), 2),
        "crashes counted": crashes,
        **verdict.figures(),
    }


async def _storm(stage: Stage, cable: TcpProxy, chance: random.Random, round_: int) -> None:
    orders = [
        {
            "item": f"key-{round_}-{part}",
            "work": Work(item=f"key-{round_}-{part}").payload(),
            "options": {"idempotency_key": f"key-{round_}-{part}"},
            "at_once": 3,
        }
        for part in range(10)
    ]
    publisher = stage.start_publisher(orders)
    cable.weather = chance.choice(_WEATHERS)
    if cable.weather.is_refusing:
        await cable.reset()
    await stage.pause(chance.uniform(1, 6))
    cable.weather = FAIR
    await publisher.gone()


async def store_away(stage: Stage, seed: int, *, seconds: float = 60.0, tasks: int = 100) -> Figures:
    """The store is away while the bus is up, and a worker is started meanwhile, beside one that has nothing to do:
    what runs goes on, nothing is lost, nothing runs twice, and memory stays as it is."""
    server = stage.backend.store_server
    assert server is not None
    members = [await stage.start_worker(concurrency=tasks) for _ in range(2)]
    await stage.publish(
        [Work(item=f"before-{number}", seconds=seconds * (0.2 + 1.0 * number / tasks)) for number in range(tasks)],
        batch=10,
    )
    await stage.until(lambda: stage.begun() == tasks)
    idle = await stage.start_worker(concurrency=tasks)
    resident = {member: member.resident_bytes() for member in (*members, idle)}
    await asyncio.to_thread(server.stop, signal.SIGTERM)
    away_until = time.monotonic() + seconds
    load = Load(stage, lambda number: Work(item=f"during-{number}", seconds=0.05), at_once=20, pause=0.5)
    late, starts = await _start_until(stage, away_until)
    growth = max(member.resident_bytes() - before for member, before in resident.items())
    await asyncio.to_thread(server.start)
    back_at = time.monotonic()
    while not await late.says("ready (process"):
        late, starts = stage.launch("work"), starts + 1
    await load.stop()
    verdict = await stage.clean_verdict(within_seconds=120 + seconds)
    assert all(member.exit_code is None for member in (*members, idle, late))
    crashes = sum(metrics.tasks_crashed for metrics in (await stage.client.metrics()).values())
    assert (crashes, verdict.excess) == (0, 0), f"{crashes} crashes counted, {verdict.excess} executions beyond one"
    assert growth <= 50 * _MEBIBYTE, f"a worker grew by {growth / _MEBIBYTE:.0f} MiB while the store was away"
    return {
        "away s": seconds,
        "starts of the late worker": starts,
        "settled after s": round(time.monotonic() - back_at, 1),
        "growth MiB": round(growth / _MEBIBYTE, 1),
        **verdict.figures(),
    }


async def _start_until(stage: Stage, at: float) -> tuple[Member, int]:
    """Start a worker as a supervisor does, again when it gives up; how often that was."""
    member, starts = stage.launch("work"), 1
    while time.monotonic() < at:
        await stage.pause(0.5)
        if member.exit_code is not None:
            member, starts = stage.launch("work"), starts + 1
    return member, starts


async def _silence(stage: Stage) -> float:
    """How long it takes from now until a handler begins."""
    before, since = stage.begun(), time.monotonic()
    await stage.until(lambda: stage.begun() > before, 60)
    return time.monotonic() - since
