"""A fresh workshop per test, which must leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from omnidaemon.testing.clock import ManualClock
from tests.unit.app.desk import Desk
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.handlers import Gated
from tests.unit.app.workshop import Workshop


@pytest.fixture
async def shop(manual_clock: ManualClock) -> AsyncIterator[Workshop]:
    """Agents, workers and services over one memory space. After the test no task may be left over."""
    workshop = Workshop(manual_clock)
    yield workshop
    await workshop.close()
    await workshop.rest()
    left_over = [task for task in asyncio.all_tasks() if task.get_name().startswith("omnidaemon")]
    assert not left_over, f"still there after the worker has left: {left_over}"


@pytest.fixture
async def bench() -> AsyncIterator[ExecutorBench]:
    """An executor alone, whose attempts the test makes up."""
    executor_bench = ExecutorBench()
    yield executor_bench
    executor_bench.executor.close()


@pytest.fixture
def gated() -> Iterator[Gated]:
    """A handler that is let go of at the latest when the test is over."""
    handler = Gated()
    yield handler
    handler.let_go.set()


@pytest.fixture
async def desk(shop: Workshop) -> Desk:
    """Finishes and renewals alone."""
    desk = Desk(shop)
    await shop.registry.register([desk.agent.profile])
    return desk


@pytest.fixture
async def loop_of(shop: Workshop) -> AsyncIterator[Callable[[Coroutine[Any, Any, Any]], asyncio.Future[Any]]]:
    """Runs a loop for the length of a test."""
    tasks: list[asyncio.Future[Any]] = []

    def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        tasks.append(asyncio.ensure_future(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
