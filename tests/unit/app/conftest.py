"""A fresh workshop per test, which must leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from omnidaemon.testing.clock import ManualClock
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
