"""A worker reduced to its gate calls, for tests that speak with a run store as a worker does."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.policy import Decision, End
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, Held, Intake, Renewals, Request, StartRun
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.ports.run_store import LeaseSpan, RunStore

LEASE_SECONDS = 2.0
CRASH_LIMIT = 3


def succeeded(result: bytes = b'"done"') -> End:
    """The decision after a handler that returned a value."""
    return End(state=RunState.SUCCEEDED, result=result)


def given_up(message: str = "boom") -> End:
    """The decision after a handler that failed for good."""
    return End(state=RunState.DEAD, error=AttemptError(type="ValueError", message=message))


def held(grant: Grant, *, is_acked: bool = True) -> Held:
    """The grant as its owner names it."""
    return Held(grant.run.task_id, grant.run.subscription.agent, grant.run.fence, is_acked)


def outcome(grant: Grant, decision: Decision, seconds: float = 0.5, *, is_acked: bool = True) -> Finish:
    """The finish of a grant by this decision."""
    return Finish(
        task_id=grant.run.task_id,
        agent=grant.run.subscription.agent,
        fence=grant.run.fence,
        decision=decision,
        seconds=seconds,
        is_acked=is_acked,
    )


class ScriptedWorker:
    """Makes each gate call under the next request id of its lane; with `again` under the last one, as after a lost
    reply."""

    def __init__(self, runs: RunStore, incarnation: str = "w1", lease_seconds: float = LEASE_SECONDS) -> None:
        self.runs = runs
        self.incarnation = incarnation
        self.lease_seconds = lease_seconds
        self._counters: dict[str, int] = {}

    @property
    def leases(self) -> LeaseSpan:
        """Of all of its agents: they share one length."""
        return LeaseSpan(self.lease_seconds, self.lease_seconds)

    def request(self, lane: str, *, again: bool = False) -> Request:
        """The lane's next request id, or its last one once more."""
        self._counters[lane] = self._counters.get(lane, 0) + (not again)
        return Request(self.incarnation, lane, self._counters[lane])

    def start_of(self, task: Task, subscription: Subscription) -> StartRun:
        """The intake that begins a task under this worker's lease."""
        return StartRun(task=task, subscription=subscription, lease_seconds=self.lease_seconds)

    def limit(self, subscription: Subscription, slots: int = 1, crash_limit: int = CRASH_LIMIT) -> ClaimLimit:
        """What it can take of an agent."""
        return ClaimLimit(
            subscription=subscription, slots=slots, lease_seconds=self.lease_seconds, crash_limit=crash_limit
        )

    async def begin(self, *intakes: Intake, again: bool = False) -> Sequence[Grant | None]:
        """RunStore.begin() under the lane "begin"."""
        return await self.runs.begin(self.request("begin", again=again), intakes)

    async def begun(self, task: Task, subscription: Subscription) -> Grant:
        """The grant of a task that must not have been begun yet."""
        (grant,) = await self.begin(self.start_of(task, subscription))
        assert grant is not None, f"{task.task_id} was known to the store already"
        return grant

    async def claim(self, *limits: ClaimLimit, is_idle: bool = False, again: bool = False) -> Claims:
        """RunStore.claim_due() under the lane "claim"."""
        return await self.runs.claim_due(self.request("claim", again=again), limits, self.leases, is_idle=is_idle)

    async def claimed(self, subscription: Subscription, *, is_idle: bool = False) -> Grant:
        """The one run of this agent that must be due."""
        (grant,) = (await self.claim(self.limit(subscription), is_idle=is_idle)).grants
        return grant

    async def renew(self, *grants: Grant) -> Renewals:
        """RunStore.renew()."""
        return await self.runs.renew(self.incarnation, [held(grant) for grant in grants], self.leases)

    async def finish(self, *finishes: Finish, again: bool = False) -> Sequence[bool]:
        """RunStore.finish() under the lane "finish"."""
        return await self.runs.finish(self.request("finish", again=again), finishes)

    async def settle(self, grant: Grant, decision: Decision, *, is_acked: bool = True) -> bool:
        """Whether the decision on this one grant was recorded."""
        (is_recorded,) = await self.finish(outcome(grant, decision, is_acked=is_acked))
        return is_recorded

    async def release(self, *grants: Grant, delay_seconds: float = 0.0, again: bool = False) -> None:
        """RunStore.release() under the lane "release"."""
        request = self.request("release", again=again)
        await self.runs.release(request, [held(grant) for grant in grants], delay_seconds)


def states(runs: Sequence[Run]) -> dict[str, RunState]:
    """The runs' states by agent."""
    return {run.subscription.agent: run.state for run in runs}
