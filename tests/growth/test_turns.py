"""Turns of the event loops for a task that comes alone, from its publishing to its result: counted, never timed.

Each turn asks the system for news and lets another thread have the interpreter. Each bound is a little above what was
counted when it was set, as in `test_costs`.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import base_events
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from tests.servers.redis_servers import PrivateRedis, binary

TASKS = 50
ENGINE = 9.5
AGENTS = 2.5
WAITER = 7.5
"""With the turn in which it pauses between tasks."""

_PATIENCE_SECONDS = 30.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateRedis]:
    """A server of this test's own: nobody else has it wake these loops."""
    server = PrivateRedis(binary(), tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many the loop of each thread has made, by the thread's name."""
    counted: Counter[str] = Counter()
    loops: Any = base_events.BaseEventLoop  # typeshed knows nothing of its turns
    turn = loops._run_once

    def counting(loop: asyncio.AbstractEventLoop) -> None:
        counted[threading.current_thread().name] += 1
        turn(loop)

    monkeypatch.setattr(loops, "_run_once", counting)
    return counted


class Agents:
    """A worker whose agents have a thread and a loop of their own."""

    def __init__(self, sdk: OmniDaemonSDK) -> None:
        self._sdk = sdk
        self._is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._work(),), name="agents")

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._sdk:
            self._is_ready.set()
            await self._is_over.wait()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._is_ready.wait(_PATIENCE_SECONDS)

    def __exit__(self, *error: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(_PATIENCE_SECONDS)


async def test_a_task_alone_costs_few_turns(server: PrivateRedis, tmp_path: Path, turns: Counter[str]):
    """Of who publishes it and waits for its result, of the worker's engine, and of the loop of its agents."""
    environ = {"EVENT_BUS_TYPE": "redis_stream", "REDIS_URL": server.url}
    settings = load_settings({"data_dir": tmp_path}, directory=tmp_path, environ=environ)
    working, waiting = OmniDaemonSDK(settings=settings), OmniDaemonSDK(settings=settings)

    @working.agent("alone", name="echo")
    async def echo(payload: object) -> object:
        return payload

    async def once(number: int) -> None:
        result = await waiting.wait_for_result(await waiting.publish_task("alone", number), timeout=_PATIENCE_SECONDS)
        assert result.result == number
        await asyncio.sleep(0.005)

    with Agents(working):
        for number in range(5):
            await once(number)
        turns.clear()
        for number in range(TASKS):
            await once(number)
        spent = {name: count / TASKS for name, count in turns.items()}
    await waiting.stop()
    assert spent["omnidaemon-engine"] <= ENGINE, spent
    assert spent["agents"] <= AGENTS, spent
    assert spent[threading.current_thread().name] <= WAITER, spent
