"""Waiting for results: one listener for everybody who waits, woken when runs end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import attrs

from omnidaemon.app.queries import Queries
from omnidaemon.domain.errors import BackendError, OmniDaemonError, TaskNotFound, WaitTimedOut
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.run import Run
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import Status
from omnidaemon.ports.run_queries import RunQueries
from omnidaemon.ports.run_store import Ended, Endings, RunStore

_BACKSTOP_SECONDS = 1.0
_LAST_LOOK_SECONDS = 1.0

_JUST_NOW_SECONDS = 0.001
_HEADSTART_SECONDS = 0.01
_MOST_PUBLISHED = 200
_FEW = 10


@attrs.define(eq=False)
class _Watched:
    """One task that somebody waits for. `looks` counts how often all who wait for it were called to look; `ended` are
    the runs that were told to have ended, by agent, and `standing` how the task stands by the last, where that was told
    along. `is_named`: the store has named it once as worth a look; `seen`: what there was of it when it did so again.
    """

    waiting: int = 0
    looks: int = 0
    ended: dict[str, Run] = attrs.field(factory=dict[str, Run])
    standing: TaskStanding | None = None
    called: asyncio.Event = attrs.field(factory=asyncio.Event)
    is_named: bool = False
    seen: object = None
    failure: BaseException | None = None

    def call(self) -> None:
        """Have everybody look who waits now, and those who look just now once more."""
        self.looks += 1
        self.wake()

    def tell(self, run: Run, standing: TaskStanding | None) -> None:
        """Let everybody who waits know of the end of a run."""
        self.ended[run.subscription.agent] = run
        self.standing = standing
        self.wake()

    def wake(self) -> None:
        """Have everybody who waits see whether there is something new."""
        called, self.called = self.called, asyncio.Event()
        called.set()


class ResultWatch:
    """Belongs to one loop. Where the store tells what has ended, those who wait for one run have it from there, without
    any query if they wait for it as soon as it is published, and those who wait for several look once more when the
    last has ended. A hint that tells nothing costs one query for all who wait, and a second one while there are tasks
    that some of their agents have ended."""

    def __init__(self, *, runs: RunStore, run_queries: RunQueries, queries: Queries) -> None:
        self._runs = runs
        self._run_queries = run_queries
        self._queries = queries
        self._watched: dict[str, _Watched] = {}
        self._published: dict[str, float] = {}
        self._is_told = False
        self._listener: asyncio.Task[None] | None = None
        self._endings: Endings | None = None

    def published(self, task_id: str) -> None:
        """Called when this task was published just now: it cannot have ended yet for who waits for it at once. Of no
        use where nothing is told, nor before the first wait: nobody has listened for its end."""
        if not self._is_told:
            return
        if len(self._published) >= _MOST_PUBLISHED:  # nobody waits for these at once
            self._published.clear()
        self._published[task_id] = time.monotonic()

    def published_together(self, task_ids: Sequence[str]) -> None:
        """Likewise for a few tasks; of many, the first may have ended before the last is confirmed."""
        if len(task_ids) <= _FEW:
            for task_id in task_ids:
                self.published(task_id)

    async def wait(self, task_id: str, timeout_seconds: float | None, agent: str | None) -> TaskResult:
        """The result of a task once it has ended: as a whole, or for the agent named.

        Raises `TaskNotFound` for a task that is not known, `WaitTimedOut` when it has not ended in time.
        """
        watched = self._watched.setdefault(task_id, _Watched())
        watched.waiting += 1
        status = Status.QUEUED
        try:
            self._listen_too()  # before the first look: no hint is missed
            async with asyncio.timeout(timeout_seconds):
                standing = await self._told_soon(watched, agent) if self._is_new(task_id, timeout_seconds) else None
                if standing is not None:
                    return self._queries.result_of(standing, agent)
                while True:
                    looks = watched.looks
                    record, is_fresh = await self._record(task_id), True
                    while True:
                        result = self._queries.result_of(record.with_ends(watched.ended.values()), agent)
                        status = result.status
                        # Ends of several agents that were seen at several times: one may be requeued by now.
                        if result.is_end and (is_fresh or len(result.runs) <= 1):
                            return result
                        if result.is_end or watched.looks != looks:
                            break
                        if watched.failure is not None:
                            raise RuntimeError("nobody listens for results any more") from watched.failure
                        await watched.called.wait()
                        is_fresh = False
        except TimeoutError:
            pass
        finally:
            self._leave(task_id, watched)
        last = await self._last_look(task_id, agent)
        if last is not None and last.is_end:
            return last
        raise WaitTimedOut(task_id, timeout_seconds or 0.0, status if last is None else last.status)

    def _is_new(self, task_id: str, timeout_seconds: float | None) -> bool:
        """Whether a look would come before the task's end, and in its way: what the server and this machine do for it
        they do not for who handles the task. And there is the time for a look after the head start."""
        published_at = self._published.pop(task_id, 0.0)
        if timeout_seconds is not None and timeout_seconds <= _HEADSTART_SECONDS:
            return False
        return time.monotonic() - published_at < _JUST_NOW_SECONDS

    async def _told_soon(self, watched: _Watched, agent: str | None) -> TaskStanding | None:
        """How the task stands once it is told to have ended, if that is all there is to know, and it does not take
        long; else one has to look after all."""
        headstart = asyncio.get_running_loop().call_later(_HEADSTART_SECONDS, watched.wake)
        try:
            await watched.called.wait()
        finally:
            headstart.cancel()
        standing = watched.standing
        return standing if standing is not None and agent in (None, *standing.agents) else None

    async def _last_look(self, task_id: str, agent: str | None) -> TaskResult | None:
        """How it stands now: who waits is told of ends alone, so what it has seen may be long past, and an end may have
        been missed. None where the store does not answer soon."""
        try:
            async with asyncio.timeout(_LAST_LOOK_SECONDS):
                return self._queries.result_of(await self._record(task_id), agent)
        except (TimeoutError, BackendError):
            return None

    async def _record(self, task_id: str) -> TaskRecord:
        record = (await self._run_queries.records([task_id])).get(task_id)
        if record is None:
            raise TaskNotFound(task_id)
        return record

    def _leave(self, task_id: str, watched: _Watched) -> None:
        watched.waiting -= 1
        if not watched.waiting:
            del self._watched[task_id]
        if not self._watched and not self._is_told:  # else it costs little, and the next one may come soon
            self._stop_listening()

    # --- listening ----------------------------------------------------------------------------------------------------

    def _listen_too(self) -> None:
        if self._listener is None:
            self._endings = endings = self._runs.endings(self._watched)
            self._is_told = endings.pass_on(self._tell)
            self._listener = asyncio.create_task(self._listen(endings), name="omnidaemon-result-watch")
            self._listener.add_done_callback(partial(self._listener_ended, endings))

    async def _listen(self, endings: Endings) -> None:
        look_at = time.monotonic() + _BACKSTOP_SECONDS
        while True:
            told = await endings.wait(_BACKSTOP_SECONDS)
            if not self._watched:  # who waits for one after the other would have begun anew by now
                self._stop_listening()
                return
            self._tell(told or ())
            # Also while others end: to be told of the one that somebody waits for may have been missed.
            if not told or time.monotonic() >= look_at:
                for task_id in await self._worth_a_look():
                    if task_id in self._watched:
                        self._watched[task_id].call()
                look_at = time.monotonic() + _BACKSTOP_SECONDS

    def _tell(self, told: Sequence[Ended]) -> None:
        for ended in told:
            watched = self._watched.get(ended.task_id)
            if watched is None:
                continue
            if ended.run is None:
                watched.call()
            else:
                watched.tell(ended.run, ended.standing)

    def _stop_listening(self) -> asyncio.Task[None] | None:
        """The listener, which ends soon."""
        listener, self._listener = self._listener, None
        endings, self._endings = self._endings, None
        if endings is not None:
            endings.close()
        if listener is not None:
            listener.cancel()
        return listener

    def _listener_ended(self, endings: Endings, listener: asyncio.Task[None]) -> None:
        endings.close()
        error = None if listener.cancelled() else listener.exception()
        if error is not None and self._listener is listener:
            self._listener = None
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        """Everybody looks once more, and raises this if that was not the end."""
        for watched in self._watched.values():
            watched.failure = error
            watched.call()

    async def _worth_a_look(self) -> Collection[str]:
        wanted = tuple(self._watched)
        try:
            named = await self._run_queries.ended(wanted)
            # One that was named before is named at every hint until all of its agents have ended.
            again = {task_id for task_id in named if self._is_named(task_id)}
            records: Mapping[str, TaskRecord] = await self._run_queries.records(tuple(again)) if again else {}
        except OmniDaemonError as error:
            # What may pass is tried again at the next hint; what cannot, everybody shall meet by looking.
            return () if error.is_transient else wanted
        return [task_id for task_id in named if self._has_changed(task_id, records.get(task_id), again)]

    def _is_named(self, task_id: str) -> bool:
        watched = self._watched.get(task_id)
        return watched is not None and watched.is_named

    def _has_changed(self, task_id: str, record: TaskRecord | None, again: Collection[str]) -> bool:
        watched = self._watched.get(task_id)
        if watched is None:
            return False
        before, watched.is_named = watched.seen, True
        if task_id not in again:
            return True
        watched.seen = _ends(record)
        return watched.seen != before

    async def close(self) -> None:
        """Stop listening; whoever still waits looks once more."""
        listener = self._stop_listening()
        if listener is not None:
            await asyncio.gather(listener, return_exceptions=True)
        self._give_up(RuntimeError("it was closed"))


def _ends(record: TaskRecord | None) -> object:
    """All of a task that can make it ended."""
    if record is None:
        return "unknown"
    ended = frozenset((run.subscription, run.state) for run in record.runs if run.state.is_end)
    return record.agents, record.is_cancelled, ended
