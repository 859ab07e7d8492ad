"""Measuring bus and store as they are set: tasks that do nothing, in a namespace that is gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import shutil
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Sequence

import attrs

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.domain.errors import ConfigurationError, OmniDaemonError
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.entrypoints.sdk import OmniDaemonSDK
from omnidaemon.ports.backend import Erasable

TOPIC = "bench"
_PAYLOAD_BYTES = 300
_LATENCIES = 50
_LONGEST_SECONDS = 300.0
_IDLE_SECONDS = 0.2
_LOOK_SECONDS = 0.02
_SHORTEST_SECONDS = 10 * _LOOK_SECONDS


@attrs.define(slots=False)
class NothingWaits(ConfigurationError):
    """The bus that is set keeps nothing that nobody listens to, so there is no backlog whose draining could be
    measured."""

    bus: str

    def __str__(self) -> str:
        return f"on the bus {self.bus!r} nothing waits for a worker, so there is nothing to drain: measure another one"


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured with so many tasks of 300 bytes, results stored, in one process that publishes and works.

    `drained_per_second` and `cpu_micros_per_task` count outcomes that the store has recorded, from about the first
    tenth of the tasks to the last; None when that went too quickly to be measured. `latency_*` is the time from before
    a publish to its result, one task at a time. `enough_tasks` is how many tasks would do where these were too few.
    """

    tasks: int
    slots: int
    published_singly_per_second: float
    published_at_once_per_second: float
    drained_per_second: float | None
    cpu_micros_per_task: float | None
    latency_median_ms: float
    latency_worst_ms: float
    enough_tasks: int | None = None


@attrs.define(slots=False)
class StillDraining(OmniDaemonError):
    """The tasks have not ended in time."""

    ended: int
    tasks: int

    def __str__(self) -> str:
        return f"after {_LONGEST_SECONDS:g} s {self.ended:,} of {self.tasks:,} tasks have ended: try it with fewer"


@attrs.frozen
class Mark:
    """So many outcomes were recorded at this time, and this process had used so much of the processor."""

    ended: int
    seconds: float
    cpu_seconds: float


def pace(marks: Sequence[Mark], tasks: int) -> tuple[float, float] | None:
    """Outcomes in a second, and CPU seconds for each, from the first mark with a tenth of the tasks to the last mark.
    None when there is too little between them to tell."""
    first, last = next(mark for mark in marks if mark.ended >= tasks // 10), marks[-1]
    ended, seconds = last.ended - first.ended, last.seconds - first.seconds
    if ended < tasks // 2 or seconds < _SHORTEST_SECONDS:
        return None
    return ended / seconds, (last.cpu_seconds - first.cpu_seconds) / ended


def enough(marks: Sequence[Mark], tasks: int) -> int:
    """About how many tasks there should be for their pace to be told, where these were too few: a round number, four
    times as many as it takes at the pace that these seem to have had, since more of them go faster."""
    # Before the first outcome the agents were starting.
    began = max(mark.seconds for mark in marks if mark is marks[0] or not mark.ended)
    seconds = max(_LOOK_SECONDS, marks[-1].seconds - began)
    wanted = round(4 * tasks * max(1.0, _SHORTEST_SECONDS / seconds))
    step: int = 10 ** int(math.log10(wanted))
    return math.ceil(wanted / step) * step


async def _echo(payload: object) -> object:
    return payload


async def measure(settings: Settings, tasks: int, slots: int) -> Figures:
    """Measure. Raises `NothingWaits`, what bus and store raise, and `StillDraining` when it takes too long."""
    payload = _payload()
    async with _sdk_apart(settings) as sdk:
        bus = (await sdk.runtime()).bus.capabilities
        if not bus.keeps_backlog:
            raise NothingWaits(bus.name)
        sdk.agent(TOPIC, name="bench", concurrency=slots)(_echo)
        async with _running(sdk):
            pass  # from now on there is a queue for the agent, and no backlog of the topic to be moved into it
        singly = max(1, tasks // 10)
        began = time.perf_counter()
        for _ in range(singly):
            await sdk.publish_task(TOPIC, payload)
        singly_seconds = time.perf_counter() - began
        began = time.perf_counter()
        await sdk.publish_tasks([(TOPIC, payload)] * (tasks - singly))
        at_once_seconds = time.perf_counter() - began
        async with _running(sdk):
            marks = [mark async for mark in _draining(sdk, tasks)]
            await asyncio.sleep(_IDLE_SECONDS)
            latencies = [await _latency(sdk, payload) for _ in range(_LATENCIES)]
    paced = pace(marks, tasks)
    return Figures(
        tasks=tasks,
        slots=slots,
        published_singly_per_second=singly / singly_seconds,
        published_at_once_per_second=(tasks - singly) / at_once_seconds,
        drained_per_second=paced and paced[0],
        cpu_micros_per_task=paced and paced[1] * 1e6,
        latency_median_ms=statistics.median(latencies) * 1e3,
        latency_worst_ms=max(latencies) * 1e3,
        enough_tasks=None if paced else enough(marks, tasks),
    )


async def _draining(sdk: OmniDaemonSDK, tasks: int) -> AsyncIterator[Mark]:
    """Marks until all have ended. What the store counts it counts with the outcomes: a handler that was called says
    nothing, since as many as there are slots are called before anything is recorded."""
    queries = (await sdk.runtime()).storage.queries
    began = time.perf_counter()
    ended = 0
    while ended < tasks:
        if time.perf_counter() - began > _LONGEST_SECONDS:
            raise StillDraining(ended, tasks)
        counted = (await queries.metrics()).get(Subscription(TOPIC, "bench"), Metrics())
        ended = counted.tasks_processed
        yield Mark(ended, time.perf_counter(), time.process_time())
        await asyncio.sleep(_LOOK_SECONDS)


def _payload() -> dict[str, str]:
    frame = len(json.dumps({"text": ""}))
    return {"text": "x" * (_PAYLOAD_BYTES - frame)}


async def _latency(sdk: OmniDaemonSDK, payload: object) -> float:
    began = time.perf_counter()
    await sdk.wait_for_result(await sdk.publish_task(TOPIC, payload), timeout=_LONGEST_SECONDS)
    return time.perf_counter() - began


@contextlib.asynccontextmanager
async def _running(sdk: OmniDaemonSDK) -> AsyncIterator[None]:
    """Agents of this SDK run; it can be used on afterwards."""
    await sdk.start()
    try:
        yield
    finally:
        await sdk.stop()


@contextlib.asynccontextmanager
async def _sdk_apart(settings: Settings) -> AsyncIterator[OmniDaemonSDK]:
    """An SDK on the same bus and store, whose data lie apart and are removed at the end, whatever happened."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    apart = attrs.evolve(settings, namespace=name, data_dir=settings.data_dir / name)
    sdk = OmniDaemonSDK(settings=apart)
    try:
        yield sdk
    finally:
        try:
            await _erase(sdk)
        finally:
            await sdk.close()
            shutil.rmtree(apart.data_dir, ignore_errors=True)


async def _erase(sdk: OmniDaemonSDK) -> None:
    runtime = await sdk.runtime()
    for part in (runtime.bus, runtime.storage):
        if isinstance(part, Erasable):
            await part.erase()
