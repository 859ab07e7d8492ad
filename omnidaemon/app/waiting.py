"""Waiting for results: one listener for everybody who waits, woken when runs end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from omnidaemon.app.queries import Queries
from omnidaemon.domain.errors import OmniDaemonError, TaskNotFound, WaitTimedOut
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_queries import RunQueries
from omnidaemon.ports.run_store import RunStore

_BACKSTOP_SECONDS = 1.0


class ResultWatch:
    """Belongs to one loop. However many wait, a hint costs one query for all of them."""

    def __init__(self, *, runs: RunStore, run_queries: RunQueries, queries: Queries, clock: Clock) -> None:
        self._runs = runs
        self._run_queries = run_queries
        self._queries = queries
        self._clock = clock
        self._wanted: Counter[str] = Counter()
        self._ended: dict[str, asyncio.Event] = {}
        self._listener: asyncio.Task[None] | None = None

    async def wait(self, task_id: str, timeout_seconds: float | None, agent: str | None) -> TaskResult:
        """The result of a task once it has ended: as a whole, or for the agent named.

        Raises `TaskNotFound` for a task that is not known, `WaitTimedOut` when it has not ended in time.
        """
        self._wanted[task_id] += 1
        self._ended.setdefault(task_id, asyncio.Event())
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="omnidaemon-result-watch")
        status = Status.QUEUED
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    result = await self._queries.result(task_id, agent)
                    if result is None:
                        raise TaskNotFound(task_id)
                    status = result.status
                    if result.is_end:
                        return result
                    await self._ended[task_id].wait()
                    self._ended[task_id].clear()
        except TimeoutError:
            raise WaitTimedOut(task_id, timeout_seconds or 0.0, status) from None
        finally:
            await self._leave(task_id)

    async def _leave(self, task_id: str) -> None:
        self._wanted[task_id] -= 1
        if not self._wanted[task_id]:
            del self._wanted[task_id]
            del self._ended[task_id]
        if not self._wanted:
            await self.close()

    async def _listen(self) -> None:
        wakeups = self._runs.wakeups()
        try:
            while True:
                await wakeups.wait(_BACKSTOP_SECONDS)
                for task_id in await self._worth_a_look():
                    if task_id in self._ended:
                        self._ended[task_id].set()
        finally:
            wakeups.close()

    async def _worth_a_look(self) -> Sequence[str]:
        wanted = tuple(self._wanted)
        try:
            return await self._run_queries.ended(wanted)
        except OmniDaemonError as error:
            # What may pass is tried again at the next hint; what cannot, everybody shall meet by looking.
            return () if error.is_transient else wanted

    async def close(self) -> None:
        """Stop listening."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
