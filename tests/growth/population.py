"""A store with as many rows as are asked for, filled through its own ports."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from omnidaemon.domain.agent import AgentProfile, WorkerReport
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.requests import EndRun, HoldRun
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded

STEP: Final = 1000
RARE: Final = 30
"""How many there are of what does not grow: more than a page of the measured calls, and older than all else."""

CROWDED: Final = Subscription("crowded.topic", "busy")
QUIET: Final = Subscription("quiet.topic", "rare")
_LONG_SECONDS: Final = 3600.0
_WEBHOOK: Final = "https://receiver.example/hook"
_FAILURE: Final = AttemptError(type="ValueError", message="no")


class Population:
    """Fills one storage. What does not grow comes first, so that a listing that looks for it among all the rest, newest
    first, passes over all the rest."""

    def __init__(self, storage: Storage, place: Place) -> None:
        self.count = self._ended_alone = 0
        self._storage = storage
        self._place = place
        self._worker = ScriptedWorker(storage.runs, "w1", _LONG_SECONDS)

    async def settle_in(self) -> None:
        """Two agents, a worker, and some tasks of each kind that stays rare, of both agents."""
        registry = self._storage.registry
        await registry.register([AgentProfile(subscription=each) for each in (CROWDED, QUIET)])
        await registry.declared([CROWDED, QUIET])
        await registry.beat(report_of(self._place, "w1"))
        await self._worker.renew()
        for agent in (CROWDED, QUIET):
            cancelled = self._tasks("cancelled", agent)
            await self._storage.log.add(cancelled)
            for task in cancelled:
                await self._storage.commands.cancel(task.task_id)
            await self._storage.schedules.put(self._tasks("scheduled", agent, delay=_LONG_SECONDS))
            skipped = self._tasks("skipped", agent)
            await self._worker.begin(*(EndRun(task=t, subscription=agent, state=RunState.SKIPPED) for t in skipped))
            retry = RetryAfter(seconds=_LONG_SECONDS, error=_FAILURE)
            for kind, decision in (("retrying", retry), ("waiting", Wait(question="q", seconds=_LONG_SECONDS))):
                await self._end(self._tasks(kind, agent), agent, decision)
            tasks = self._tasks("running", agent)
            await self._worker.begin(*(self._worker.start_of(task, agent) for task in tasks))
            await self._end(self._tasks("dead", agent), agent, End(state=RunState.DEAD, error=_FAILURE))

    async def grow(self, count: int) -> None:
        """Until there are so many tasks of the kinds that grow: of each thousand 400 that succeeded, 200 dead letters
        with a notification each, 200 that nobody has begun, and 200 that wait for a worker."""
        while self.count < count:
            many = STEP // 5
            await self._end(self._tasks("many", CROWDED, 2 * many), CROWDED, succeeded())
            dead = End(state=RunState.DEAD, error=_FAILURE)
            await self._end(self._tasks("many", CROWDED, many, webhook=_WEBHOOK), CROWDED, dead)
            await self._storage.log.add(self._tasks("many", CROWDED, many))
            held = self._tasks("many", CROWDED, many)
            await self._storage.log.add(held)
            holds = [HoldRun(task=task, subscription=CROWDED, delay_seconds=_LONG_SECONDS) for task in held]
            await self._worker.begin(*holds)

    async def begin_one(self) -> None:
        """One more task, from its log to its end, and its removal, after which all is as before."""
        self._ended_alone += 1
        (task,) = tasks = self._tasks(f"one-{self._ended_alone}", CROWDED, 1)
        await self._end(tasks, CROWDED, succeeded())
        await self._storage.commands.delete(task.task_id)

    async def idle_claim(self) -> None:
        """What a worker with nothing to do asks several times a second."""
        await self._worker.claim(self._worker.limit(CROWDED, slots=10))

    async def _end(self, tasks: list[Task], agent: Subscription, decision: End | RetryAfter | Wait) -> None:
        await self._storage.log.add(tasks)
        grants = await self._worker.begin(*(self._worker.start_of(task, agent) for task in tasks))
        assert await self._worker.finish(*(outcome(grant, decision) for grant in grants if grant is not None))

    def _tasks(
        self, kind: str, agent: Subscription, count: int = RARE, delay: float = 0.0, webhook: str | None = None
    ) -> list[Task]:
        due_at = self._place.now() + timedelta(seconds=delay) if delay else None
        first = self.count if kind == "many" else 0
        names = [f"{kind}-{agent.agent}-{number}" for number in range(first, first + count)]
        if kind == "many":
            self.count += count
        return [self._place.task(name, topic=agent.topic, due_at=due_at, webhook=webhook) for name in names]


def report_of(place: Place, incarnation: str) -> WorkerReport:
    """A heartbeat."""
    return WorkerReport(
        incarnation=incarnation, host="h", pid=1, started_at=place.now(), subscriptions=(CROWDED, QUIET)
    )
