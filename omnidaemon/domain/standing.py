"""Where a task stands with its agents: what a listing shows of it, and nothing of what it says."""

from __future__ import annotations

from datetime import datetime

from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.states import STATUSES, RunState, Status
from omnidaemon.domain.values import Value

_UNENDED_FIRST = (RunState.RUNNING, RunState.WAITING, RunState.RETRYING, RunState.QUEUED)
_GRAVEST_FIRST = (RunState.DEAD, RunState.CANCELLED, RunState.SKIPPED, RunState.SUCCEEDED)
_RANKS = {state: rank for rank, state in enumerate((*_UNENDED_FIRST, *_GRAVEST_FIRST))}


class TaskStanding(Value):
    """A task's runs. `agents` are those that must end it: subscribed when it was published, less the removed.

    For a task that was published before its topic had any agent, they are the agents of the topic's first declaration.
    `is_cancelled`: cancelled as a whole, so that no agent may begin it. `scheduled_for`: when it is due to
    be published; once a worker has taken it to do so, that may be when another one does, should the first be dead. None
    for what is published. Its arguments may go by their place, as those of a `RunStanding`.
    """

    task_id: str
    topic: str
    created_at: datetime
    agents: tuple[str, ...] = ()
    runs: tuple[RunStanding, ...] = ()
    is_cancelled: bool = False
    scheduled_for: datetime | None = None

    @property
    def is_scheduled(self) -> bool:
        """Whether it has yet to be published."""
        return self.scheduled_for is not None

    @property
    def only_run(self) -> RunStanding | None:
        """The run that is all there is of the task, since its agent is the only one; None for any other task."""
        runs, agents = self.runs, self.agents
        if len(runs) != 1 or len(agents) > 1:
            return None
        (run,) = runs
        return run if not agents or agents[0] == run.subscription.agent else None

    @property
    def pending_agents(self) -> tuple[str, ...]:
        """The agents that have not begun the task."""
        begun = {run.subscription.agent for run in self.runs}
        return tuple([agent for agent in self.agents if agent not in begun])

    @property
    def held_agents(self) -> tuple[str, ...]:
        """The agents whose run the store holds for a worker that begins it."""
        return tuple(run.subscription.agent for run in self.runs if run.state is RunState.QUEUED)

    @property
    def unbegun_agents(self) -> tuple[str, ...]:
        """The agents for which the task waits: on the bus, or in the store."""
        return (*self.pending_agents, *self.held_agents)

    @property
    def status(self) -> Status:
        """The task's status over all of its agents: that of the least advanced run until all have ended; then
        succeeded if all are, else the gravest end."""
        if self.is_scheduled and not self.runs:
            return Status.SCHEDULED
        if not self.runs:
            return Status.CANCELLED if self.is_cancelled else Status.QUEUED
        state = min([run.state for run in self.runs], key=_RANKS.__getitem__)
        if state.is_end and not self.is_cancelled and self.pending_agents:
            return Status.QUEUED
        return STATUSES[state]

    def matches(self, *, status: Status | None = None, topic: str | None = None, agent: str | None = None) -> bool:
        """Whether a person who asks for these finds the task: one agent's part in it, when an agent is named."""
        if topic not in (None, self.topic):
            return False
        if status is None and agent is None:
            return True
        states = {STATUSES[run.state] for run in self.runs if agent in (None, run.subscription.agent)}
        if agent in self.pending_agents if agent is not None else self.pending_agents or not self.runs:
            states.add(self._unbegun_status)
        return bool(states) if status is None else status in states

    @property
    def _unbegun_status(self) -> Status:
        if self.is_scheduled:
            return Status.SCHEDULED
        return Status.CANCELLED if self.is_cancelled else Status.QUEUED
