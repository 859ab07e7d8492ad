"""Servers that die, stay away, or are reached over a bad line."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.proxy import BLACK_HOLE, FAIR, TcpProxy, Way, Weather
from omnidaemon.testing.chaos.scenarios.figures import Figures
from omnidaemon.testing.chaos.stage import Stage, Work

_MEBIBYTE = 2**20
_WAIT_SECONDS = 10.0
_LATEST_SECONDS = 10.0
_MOST_SILENT_SECONDS = 30
_LONG_EVERY = 10
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
    reply is taken for another's, no worker is stuck, and none that lives is taken for dead."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    (cable,) = stage.backend.cables
    members = [await stage.start_worker(policy={"lease": lease}) for _ in range(workers)]
    # Some outlast their lease: whether a worker is taken for dead shows in them.
    lengths = {0: 2.5 * lease}
    load = Load(
        stage,
        lambda number: Work(item=f"n{number}", seconds=lengths.get(number % _LONG_EVERY, chance.uniform(0, 1))),
        at_once=5,
        pause=0.2,
    )
    silences: list[float] = []
    ends_at, round_ = time.monotonic() + seconds, 0
    weathers = _in_turn(chance)
    while time.monotonic() < ends_at:
        await _storm(stage, cable, chance, round_, next(weathers))
        silences += await _silences(stage, members)
        # A line that comes and goes within a lease may cost living workers theirs, or nobody would ever be recovered.
        await stage.pause(chance.uniform(1.2, 2) * lease)
        round_ += 1
    await load.stop()
    assert all(member.exit_code is None for member in members)
    verdict = await stage.verdict()
    crashes = sum(metrics.tasks_crashed for metrics in (await stage.client.metrics()).values())
    assert crashes == 0, f"{crashes} crashes were counted, and every worker lives"
    assert verdict.is_clean, verdict.faults()
    given = sum(len(told.results) for told in stage.publications().values())
    assert given > 0, "nobody was given a result over the bad line, so no reply could be taken for another's"
    return {
        "storms": round_,
        "kinds of weather": min(round_, len(_WEATHERS)),
        "connections cut": cable.cuts,
        "longest silence s": round(max(silences), 2),
        "crashes counted": crashes,
        "results given": given,
        **verdict.figures(),
    }


def _in_turn(chance: random.Random) -> Iterator[Weather]:
    """All kinds of weather, shuffled, and again."""
    while True:
        yield from chance.sample(_WEATHERS, len(_WEATHERS))


async def _storm(stage: Stage, cable: TcpProxy, chance: random.Random, round_: int, weather: Weather) -> None:
    orders = [
        {
            "item": f"key-{round_}-{part}",
            "work": Work(item=f"key-{round_}-{part}").payload(),
            "options": {"idempotency_key": f"key-{round_}-{part}"},
            "at_once": 3,
            "wait": _WAIT_SECONDS,
        }
        for part in range(10)
    ]
    publisher = stage.start_publisher(orders)
    cable.weather = weather
    if cable.weather.is_refusing:
        await cable.reset()
    await stage.pause(chance.uniform(1, 6))
    cable.weather = FAIR
    await publisher.gone()


async def store_away(stage: Stage, seed: int, *, seconds: float = 60.0, tasks: int = 100) -> Figures:
    """The store is away while the bus is up, and a worker is started meanwhile, beside one that has nothing to do:
    what runs goes on, the new one waits and then works, nothing is lost, nothing runs twice, and memory stays as it
    is."""
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
    late = stage.launch("work", concurrency=tasks)
    await stage.pause(away_until - time.monotonic())
    assert late.exit_code is None, f"a worker that was started meanwhile gave up: {late.words}"
    assert "ready (process" not in late.words
    growth = max(member.resident_bytes() - before for member, before in resident.items())
    await asyncio.to_thread(server.start)
    back_at = time.monotonic()
    assert await late.says("ready (process")
    late_after = time.monotonic() - back_at
    await stage.until(lambda: stage.begun_by(late) > 0)
    await load.stop()
    verdict = await stage.clean_verdict(within_seconds=120 + seconds)
    assert all(member.exit_code is None for member in (*members, idle, late))
    crashes = sum(metrics.tasks_crashed for metrics in (await stage.client.metrics()).values())
    assert (crashes, verdict.excess) == (0, 0), f"{crashes} crashes counted, {verdict.excess} executions beyond one"
    assert late_after <= _LATEST_SECONDS, f"the new worker was ready only {late_after:.1f} s after the store was back"
    assert growth <= 50 * _MEBIBYTE, f"a worker grew by {growth / _MEBIBYTE:.0f} MiB while the store was away"
    return {
        "away s": seconds,
        "new worker ready after s": round(late_after, 1),
        "settled after s": round(time.monotonic() - back_at, 1),
        "growth MiB": round(growth / _MEBIBYTE, 1),
        **verdict.figures(),
    }


async def _silence(stage: Stage) -> float:
    """How long it takes from now until a handler begins."""
    before, since = stage.begun(), time.monotonic()
    await stage.until(lambda: stage.begun() > before, 60)
    return time.monotonic() - since


async def _silences(stage: Stage, members: Sequence[Member]) -> list[float]:
    """How long it takes from now until each of these workers begins a handler."""
    before, since = {member: stage.begun_by(member) for member in members}, time.monotonic()
    found: dict[Member, float] = {}

    def all_have() -> bool:
        for member in members:
            if member not in found and stage.begun_by(member) > before[member]:
                found[member] = time.monotonic() - since
        return len(found) == len(members)

    if not await stage.within(_MOST_SILENT_SECONDS, all_have):
        stuck = [member.pid for member in members if member not in found]
        raise AssertionError(f"{stuck} of the workers began nothing for {_MOST_SILENT_SECONDS} s in fair weather")
    return list(found.values())
