"""What the engine's loop does beside the engine."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.adapters.memory import MemoryBus, MemorySpace
from omnidaemon.errors import BackendUnavailable

PATIENCE_SECONDS = 20


@pytest.fixture
def sdk():
    """An SDK in memory, not started."""
    return OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}, environ={}))


def agent_of(sdk):
    @sdk.agent("greet.user")
    async def greeter(payload):
        return payload


class Endless:
    """Work without an end, which takes a turn of the loop to let go."""

    def __init__(self):
        self.has_begun, self.is_over = threading.Event(), threading.Event()

    async def __call__(self):
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.is_over.set()


async def test_it_stands_on_the_engines_runtime(sdk):
    """One set of opened adapters per loop: the SDK's calls find the engine's."""
    agent_of(sdk)
    seen: dict[str, Any] = {}

    async def look():
        seen["thread"] = threading.current_thread().name
        seen["runtime"] = await sdk.runtime()
        await sdk.close()
        seen["again"] = await sdk.runtime()
        seen["agents"] = await sdk.list_agents()

    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        await sdk.sidecars.hand_over(look).wait()
        assert seen["runtime"] is not await sdk.runtime()
    assert seen["thread"] == "omnidaemon-engine"
    assert seen["again"] is seen["runtime"]
    assert [agent.name for agent in seen["agents"]] == ["greeter"]


async def test_handed_over_before_the_start(sdk):
    """Begun once there is an engine, and ended with it."""
    agent_of(sdk)
    work = Endless()
    sidecar = sdk.sidecars.hand_over(work)
    assert not work.has_begun.is_set()
    async with sdk:
        assert await asyncio.to_thread(work.has_begun.wait, PATIENCE_SECONDS)
    assert work.is_over.is_set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sidecar.wait()


async def test_cancelling_the_wait_ends_it(sdk):
    """And returns once it has let go of everything."""
    agent_of(sdk)
    work = Endless()
    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(sdk.sidecars.hand_over(work).wait())
        await asyncio.to_thread(work.has_begun.wait, PATIENCE_SECONDS)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert work.is_over.is_set()


async def test_what_it_raises_reaches_who_waits(sdk):
    """And disturbs nobody else."""
    agent_of(sdk)

    async def work():
        raise RuntimeError("no good")

    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(RuntimeError, match="no good"):
            await sdk.sidecars.hand_over(work).wait()
        task_id = await sdk.publish_task("greet.user", 1)
        assert (await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)).result == 1


async def test_cancelled_before_there_was_an_engine(sdk):
    """It is never begun."""
    agent_of(sdk)
    begun = []

    async def work():
        begun.append(1)

    waiting = asyncio.create_task(sdk.sidecars.hand_over(work).wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with sdk:
        pass
    assert not begun


async def _never():
    raise AssertionError("it was begun")


async def test_handed_over_after_the_worker_has_left(sdk):
    """Drained, and not yet stopped: nothing will be begun, so nobody waits for it."""
    agent_of(sdk)
    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        sdk.worker.drain()
        await sdk.worker.wait()
        sidecar = sdk.sidecars.hand_over(_never)
        await sidecar.wait()
        assert not await sidecar.begun()


async def test_what_waits_for_a_start_that_fails(sdk):
    """Is given up; what is handed over then waits for the next start."""
    agent_of(sdk)
    is_failing = True

    @sdk.on_startup
    async def open_pool():
        if is_failing:
            raise RuntimeError("no pool")

    sidecar = sdk.sidecars.hand_over(_never)
    with pytest.raises(RuntimeError, match="no pool"):
        await sdk.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sidecar.wait()
    is_failing = False
    begun = threading.Event()

    async def work():
        begun.set()

    sidecar = sdk.sidecars.hand_over(work)
    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        await sidecar.wait()
    assert begun.is_set()


async def test_what_waits_for_a_start_that_is_called_off(sdk):
    """Also where the worker was told to stop before it was ready, which is no error."""
    agent_of(sdk)

    @sdk.on_startup
    async def change_its_mind():
        sdk.worker.request_stop()

    sidecar = sdk.sidecars.hand_over(asyncio.Event().wait)
    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        await sidecar.wait()


async def test_it_goes_on_while_a_start_waits_for_a_backend():
    """It learns that the backend is away, may open it before the engine does, and all of that is closed in the end."""
    is_there, has_looked = threading.Event(), threading.Event()
    opened, closed = [], []

    class CountedBus(MemoryBus):
        async def __aenter__(self):
            opened.append(self)
            return await super().__aenter__()

        async def __aexit__(self, *raised):
            closed.append(self)
            await super().__aexit__(*raised)

    def bus(context):
        if not is_there.is_set():
            raise BackendUnavailable("memory", "here", "away")
        return CountedBus(context.shared.get("memory", lambda: MemorySpace(context.clock)).bus)

    sdk = OmniDaemonSDK(event_bus=bus, settings=load_settings({"event_bus_type": "memory"}, environ={}))
    agent_of(sdk)
    runtimes: list[Any] = []

    async def look():
        while not runtimes:
            try:
                runtimes.append(await sdk.runtime())
            except BackendUnavailable:
                has_looked.set()
                await asyncio.sleep(0.01)

    sidecar = sdk.sidecars.hand_over(look)
    starting = asyncio.create_task(sdk.start(wait_for_backends=True))
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.to_thread(has_looked.wait, PATIENCE_SECONDS)
        assert not starting.done()
        is_there.set()
        await sidecar.wait()
        await starting
        task_id = await sdk.publish_task("greet.user", 1)
        assert (await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)).result == 1
    await sdk.stop()
    assert len(opened) >= 2
    assert set(opened) == set(closed)


async def test_a_start_that_waits_can_be_cancelled():
    """Nothing is left behind, and it may be started again."""

    def bus(context):
        raise BackendUnavailable("memory", "here", "away")

    sdk = OmniDaemonSDK(event_bus=bus, settings=load_settings({"event_bus_type": "memory"}, environ={}))
    agent_of(sdk)
    sidecar = sdk.sidecars.hand_over(lambda: asyncio.sleep(3600))
    starting = asyncio.create_task(sdk.start(wait_for_backends=True))
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await sidecar.begun()
        worker = sdk.worker
        assert worker is not None
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await sidecar.wait()
    assert sdk.worker is None
    assert worker.left.is_set()
    with pytest.raises(BackendUnavailable):
        await sdk.start()
