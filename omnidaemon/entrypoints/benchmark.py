"""Measuring bus and store as they are set: tasks that do nothing, in a namespace that is gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import time
import uuid
from collections.abc import AsyncIterator

import attrs

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.domain.errors import ConfigurationError
from omnidaemon.entrypoints.sdk import OmniDaemonSDK
from omnidaemon.ports.backend import Erasable

TOPIC = "bench"
_PAYLOAD_BYTES = 300
_LATENCIES = 50
_LONGEST_SECONDS = 300.0
_IDLE_SECONDS = 0.2


@attrs.define(slots=False)
class NothingWaits(ConfigurationError):
    """The bus that is set keeps nothing that nobody listens to, so there is no backlog whose draining could be measured."""

    bus: str

    def __str__(self) -> str:
        return f"on the bus {self.bus!r} nothing waits for a worker, so there is nothing to drain: measure another one"


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured with so many tasks of 300 bytes, results stored, in one process that publishes and works.

    `drained_per_second` and `cpu_micros_per_task` count from the first tenth of the tasks to the last. `latency_*` is
    the time from before a publish to its result, one task at a time.
    """

    tasks: int
    slots: int
    published_singly_per_second: float
    published_at_once_per_second: float
    drained_per_second: float
    cpu_micros_per_task: float
    latency_median_ms: float
    latency_worst_ms: float


class _Handler:
    """Counts what it is called for, and when the tenth and the last of it were."""

    def __init__(self, tasks: int) -> None:
        self.count = 0
        self.tasks = tasks
        self.first = tasks // 10
        self.marks: dict[int, tuple[float, float]] = {}

    async def __call__(self, payload: object) -> object:
        self.count += 1
        if self.count in {self.first, self.tasks}:
            self.marks[self.count] = (time.perf_counter(), time.process_time())
        return payload

    def between(self) -> tuple[float, float]:
        """Seconds and CPU seconds for each task between the two marks."""
        (began, cpu_began), (ended, cpu_ended) = self.marks[self.first], self.marks[self.tasks]
        handled = self.tasks - self.first
        return (ended - began) / handled, (cpu_ended - cpu_began) / handled


async def measure(settings: Settings, tasks: int, slots: int) -> Figures:
    """Measure with at least 20 tasks. Raises `NothingWaits`, what bus and store raise, and `WaitTimedOut` when it takes
    too long."""
    handler = _Handler(tasks)
    payload = _payload()
    async with _sdk_apart(settings) as sdk:
        bus = (await sdk.runtime()).bus.capabilities
        if not bus.keeps_backlog:
            raise NothingWaits(bus.name)
        sdk.agent(TOPIC, name="bench", concurrency=slots)(handler)
        async with _running(sdk):
            pass  # from now on there is a queue for the agent, and no backlog of the topic to be moved into it
        singly = max(1, tasks // 10)
        began = time.perf_counter()
        ids = [await sdk.publish_task(TOPIC, payload) for _ in range(singly)]
        singly_seconds = time.perf_counter() - began
        began = time.perf_counter()
        ids += await sdk.publish_tasks([(TOPIC, payload)] * (tasks - singly))
        at_once_seconds = time.perf_counter() - began
        async with _running(sdk):
            for task_id in (ids[-1], *ids):
                await sdk.wait_for_result(task_id, timeout=_LONGEST_SECONDS)
                if handler.count >= tasks:
                    break
            await asyncio.sleep(_IDLE_SECONDS)
            latencies = [await _latency(sdk, payload) for _ in range(_LATENCIES)]
    seconds, cpu_seconds = handler.between()
    return Figures(
        tasks=tasks,
        slots=slots,
        published_singly_per_second=singly / singly_seconds,
        published_at_once_per_second=(tasks - singly) / at_once_seconds,
        drained_per_second=1 / seconds,
        cpu_micros_per_task=cpu_seconds * 1e6,
        latency_median_ms=statistics.median(latencies) * 1e3,
        latency_worst_ms=max(latencies) * 1e3,
    )


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
