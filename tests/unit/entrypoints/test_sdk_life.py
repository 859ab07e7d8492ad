"""The SDK's life: starts that fail or are cancelled, hooks that fail, loops that end too early."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from omnidaemon import DeliveryPolicy, OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.domain.errors import BackendUnusable, NotMainThread
from omnidaemon.testing.patience import eventually


@pytest.fixture
def sdk() -> OmniDaemonSDK:
    """An SDK in memory with an agent that greets."""
    made = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))

    @made.agent("greet")
    async def greeter(payload: str) -> str:
        return f"Hello, {payload}!"

    return made


async def until(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""

    async def look() -> object:
        return is_so()

    await eventually(look)


def engines() -> list[threading.Thread]:
    """The engine threads of this process."""
    return [thread for thread in threading.enumerate() if thread.name == "omnidaemon-engine" and thread.is_alive()]


def test_run_beside_the_main_thread_says_what_to_do(sdk: OmniDaemonSDK) -> None:
    """Another thread gets no signals: there it is a loop of one's own that runs the agents, and that works."""
    with ThreadPoolExecutor(1) as thread, pytest.raises(NotMainThread, match="call it there, or run a loop here"):
        thread.submit(sdk.run).result()

    async def serve() -> str:
        async with sdk:
            return (await sdk.wait_for_result(await sdk.publish_task("greet", "Carol"))).status

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, serve()).result() == "succeeded"


# --- starting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [1, 2, 5, 50])
async def test_a_start_that_is_cancelled_leaves_no_engine(sdk: OmniDaemonSDK, turns: int) -> None:
    """Wherever it was; a later start works, and plain handlers get their threads."""

    @sdk.agent("plain")
    def plain(payload: int) -> int:
        return payload + 1

    starting = asyncio.create_task(sdk.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    if not starting.done():
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await until(lambda: not engines())
        await sdk.start()
    result = await sdk.wait_for_result(await sdk.publish_task("plain", 1), timeout=10)
    assert result.result == 2
    await sdk.stop()
    await until(lambda: not engines())


async def test_shutdown_hooks_run_after_a_start_that_failed_behind_the_startup_hooks(
    sdk: OmniDaemonSDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What those have opened is closed; one that fails keeps neither the next from running nor the reason from view."""
    seen: list[str] = []

    async def broken(worker: object) -> None:
        raise BackendUnusable("memory", "here", "broken")

    @sdk.on_startup
    def begin() -> None:
        seen.append("begin")

    @sdk.on_shutdown
    def fails() -> None:
        raise KeyError("hook")

    @sdk.on_shutdown
    async def end() -> None:
        seen.append("end")

    monkeypatch.setattr("omnidaemon.bootstrap.worker.Worker.start", broken)
    with pytest.raises(BackendUnusable) as raised:
        await sdk.start()
    assert seen == ["begin", "end"]
    assert "KeyError('hook')" in raised.value.__notes__[0]


# --- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
async def test_shutdown_hooks_all_run_whatever_they_raise(sdk: OmniDaemonSDK, count: int) -> None:
    """Everything is closed; then what they raised is raised."""
    seen: list[str] = []

    def fails() -> None:
        raise KeyError("hook")

    for _ in range(count):
        sdk.on_shutdown(fails)
    sdk.on_shutdown(lambda: seen.append("end"))
    await sdk.start()
    with pytest.raises(KeyError if count == 1 else ExceptionGroup):
        await sdk.stop()
    assert seen == ["end"]
    await sdk.stop()


async def test_stopping_closes_the_blocking_face_too(sdk: OmniDaemonSDK) -> None:
    """Its thread ends, and so does a call that was under way in another thread."""
    async with sdk:
        task_id = await sdk.publish_task("nobody.listens", 1)
        waiting = asyncio.create_task(asyncio.to_thread(sdk.sync.wait_for_result, task_id))
        await until(lambda: any(thread.name == "omnidaemon-sync" for thread in threading.enumerate()))
    await asyncio.wait({waiting}, timeout=10)
    assert waiting.done()
    assert waiting.cancelled() or waiting.exception() is not None
    assert not any(thread.name == "omnidaemon-sync" for thread in threading.enumerate())


async def test_the_switch_interval_comes_back_with_the_last_worker(sdk: OmniDaemonSDK) -> None:
    """It is the whole process's, so it is borrowed only."""
    other = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))
    before = sys.getswitchinterval()
    async with sdk:
        async with other:
            assert sys.getswitchinterval() < before
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


# --- loops that end too early -----------------------------------------------------------------------------------------


def test_a_worker_whose_loop_has_ended_leaves(sdk: OmniDaemonSDK, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes nothing more that it could not run, and the task that was interrupted has lost no attempt."""
    monkeypatch.setattr("omnidaemon.app.lag._PERIOD_SECONDS", 0.02)
    began = threading.Event()

    @sdk.agent("slow", policy=DeliveryPolicy(max_attempts=1))
    async def slow(payload: object) -> None:
        began.set()
        await asyncio.Event().wait()

    async def main() -> str:
        await sdk.start()
        task_id = await sdk.publish_task("slow", 1)
        await asyncio.to_thread(began.wait, 10)
        return task_id

    async def later() -> object:
        await until(lambda: not engines())
        result = await sdk.get_result(task_id)
        assert result is not None
        return result.status, result.attempts

    task_id = asyncio.run(main())
    assert asyncio.run(later()) == ("retrying", 0)
