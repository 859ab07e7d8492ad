"""All that a store knows of one task, and what commands make of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from omnidaemon.domain.agent import AgentRecord, Start
from omnidaemon.domain.changes import Changes, changes_of
from omnidaemon.domain.errors import TaskNotFound, WrongState
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import EventKind, JournalEntry, joined
from omnidaemon.domain.names import Subscription, subscription
from omnidaemon.domain.return_address import return_address
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import RunState, Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace


class TaskRecord(TaskStanding, kw_only=True):
    """A task with all that is known of it."""

    task: Task | Unreadable
    runs: tuple[Run, ...] = ()

    @classmethod
    def of(
        cls,
        task: Task | Unreadable,
        *,
        created_at: datetime,
        agents: tuple[str, ...] = (),
        runs: tuple[Run, ...] = (),
        is_cancelled: bool = False,
        scheduled_for: datetime | None = None,
    ) -> TaskRecord:
        """The record of this task, which names itself and its topic."""
        return cls(
            task=task,
            task_id=task.task_id,
            topic=task.topic,
            created_at=created_at,
            agents=agents,
            runs=runs,
            is_cancelled=is_cancelled,
            scheduled_for=scheduled_for,
        )

    def with_ends(self, ended: Iterable[Run]) -> TaskRecord:
        """The record after these runs have ended, one of each agent at most. What is known of a later life stays."""
        runs = {run.subscription.agent: run for run in self.runs}
        for run in ended:
            known = runs.get(run.subscription.agent)
            if known is None or known.life <= run.life:
                runs[run.subscription.agent] = run
        return replace(self, runs=tuple(runs[agent] for agent in sorted(runs)))

    # --- commands -----------------------------------------------------------------------------------------------------

    def cancel(self, agent: str | None, now: Instant) -> Changes:
        """End what has not begun, flag what runs. `WrongState` when all of it has ended, `TaskNotFound` when the
        task has no such agent."""
        runs = self._runs_of(agent)
        topic = self.task.topic
        unbegun = [Subscription(topic, name) for name in self.pending_agents if agent in (None, name)]
        open_runs = [run for run in runs if not run.state.is_end]
        is_open_task = agent is None and not self.runs and not self.is_cancelled
        if not open_runs and not unbegun and not is_open_task:
            raise WrongState("cancel", self.task.task_id, self.status)
        moves: list[tuple[Run | None, Run]] = [(run, run.cancelled(now)) for run in open_runs]
        moves += [(None, self._unbegun(subscription, now).cancelled(now)) for subscription in unbegun]
        changes = changes_of(moves, now.at)
        if agent is not None:
            return changes
        return replace(
            changes,
            cancel_marks={self.task.task_id: True},
            unscheduled=(self.task.task_id,) if self.is_scheduled else (),
            entries=changes.entries or (self.entry(EventKind.CANCELLED, now),),
        )

    def requeue(self, agent: str | None, now: Instant, *, only_dead: bool = False) -> Changes:
        """A new life for ended runs: of the agent named, whatever its end; else of all that did not succeed.

        With `only_dead` of those alone that are dead; `WrongState` when none is.
        """
        runs = self._runs_of(agent)
        if only_dead:
            chosen = [run for run in runs if run.state is RunState.DEAD]
            if not chosen:
                raise self._no_dead_letter("requeue", runs)
        else:
            chosen = [run for run in runs if run.state.is_end and (agent or run.state is not RunState.SUCCEEDED)]
        if not chosen and not (self.is_cancelled and not self.runs):
            by_name = "; name its agent to run it again" if self.status is Status.SUCCEEDED else ""
            raise WrongState("requeue", self.task.task_id, f"{self.status}{by_name}")
        changes = changes_of(((run, run.requeued(now)) for run in chosen), now.at)
        if not self.is_cancelled:
            return changes
        # Nobody has begun it, and whether the bus still has it is not known here: it is published anew, to be begun
        # once.
        return replace(
            changes,
            cancel_marks={self.task.task_id: False},
            entries=changes.entries or (self.entry(EventKind.REQUEUED, now),),
            scheduled={} if self.runs else {self.task.task_id: self._due_at(now)},
        )

    def answer(self, agent: str, question: str, answer: bytes, now: Instant) -> Changes:
        """Keep the answer for the run; the first one given counts, a late one is `WrongState`."""
        (run,) = self._runs_of(agent) or (None,)
        if run is None:
            raise TaskNotFound(self.task.task_id, agent)
        if run.state.is_end or question in dict(run.answers):
            raise WrongState("answer", self.task.task_id, "already answered" if not run.state.is_end else run.state)
        return changes_of([(run, run.answered(question, answer, now))], now.at)

    def delete(self, agent: str | None, now: Instant, *, only_dead: bool = False) -> Changes:
        """Remove the task for good, or only one agent's ended run of it; deliveries that come later are dropped.

        `WrongState` while it runs; with `only_dead` unless all that goes is dead.
        """
        task_id = self.task.task_id
        runs = self._runs_of(agent)
        if only_dead and ({run.state for run in runs} != {RunState.DEAD} or (agent is None and self.pending_agents)):
            raise self._no_dead_letter("purge", runs)
        if any(run.state is RunState.RUNNING or (agent and not run.state.is_end) for run in runs):
            raise WrongState("delete", task_id, f"{self.status}; cancel it first")
        entry = replace(self.entry(EventKind.DELETED, now), agent=agent)
        if agent is not None and {agent} != {*self.agents, *(run.subscription.agent for run in self.runs)}:
            return Changes(forgotten=((task_id, agent),), tombstones=((task_id, agent),), entries=(entry,))
        return Changes(
            deleted=(task_id,),
            unscheduled=(task_id,) if self.is_scheduled else (),
            tombstones=((task_id, ""),),
            entries=(entry,),
        )

    def _runs_of(self, agent: str | None) -> tuple[Run, ...]:
        runs = tuple(run for run in self.runs if agent in (None, run.subscription.agent))
        if agent is not None and not runs and agent not in self.agents:
            raise TaskNotFound(self.task.task_id, agent)
        return runs

    def _no_dead_letter(self, command: str, runs: Iterable[Run]) -> WrongState:
        alive = [run.state for run in runs if run.state is not RunState.DEAD]
        return WrongState(command, self.task.task_id, f"{alive[0] if alive else RunState.QUEUED}, no dead letter")

    def _due_at(self, now: Instant) -> datetime:
        due_at = None if isinstance(self.task, Unreadable) else self.task.due_at
        return due_at or now.at

    def _unbegun(self, subscription: Subscription, now: Instant) -> Run:
        return Run(
            task_id=self.task.task_id,
            subscription=subscription,
            state=RunState.QUEUED,
            queued_at=self.created_at,
            due_at=now.at,
            return_address=return_address(self.task),
        )

    def entry(self, kind: EventKind, now: Instant) -> JournalEntry:
        """The line of the journal that tells this of the task as a whole."""
        return JournalEntry(kind=kind, topic=self.task.topic, at=now.at, task_ids=(self.task.task_id,))


def withdrawn(runs: Iterable[Run], heir: Subscription | None, taken: Collection[RunKey], now: Instant) -> Changes:
    """What becomes of a removed agent's open runs: they are cancelled, and those that nobody executes begin anew under
    the heir, unless it has a run of the task itself (`taken`). One that retries keeps its due time."""
    moves: list[tuple[Run | None, Run]] = []
    for run in runs:
        moves.append((run, run.cancelled(now)))
        if heir is not None and run.state.is_due_state and (run.task_id, heir.agent) not in taken:
            fresh = Run(
                task_id=run.task_id,
                subscription=heir,
                state=RunState.QUEUED,
                queued_at=run.queued_at,
                due_at=run.due_at,
                return_address=run.return_address,
            )
            moves.append((None, fresh))
    return changes_of(moves, now.at)


def abandoned(records: Iterable[TaskRecord], gone: AgentRecord, now: Instant) -> Changes:
    """What becomes of tasks that nobody but a removed agent, still among their `agents`, had to begin: nobody will, so
    they are cancelled.

    But for what is not yet due, since whoever is subscribed then gets it; and for what the bus has not been known to
    hand to this agent, since it may still wait there for the topic's next one.
    """
    if not gone.is_declared:
        return Changes()
    agents = (gone.profile.subscription.agent,)
    left = [each for each in records if not (each.runs or each.is_cancelled or each.is_scheduled)]
    left = [each for each in left if each.agents == agents]
    return Changes(
        cancel_marks={each.task.task_id: True for each in left},
        entries=joined([each.entry(EventKind.CANCELLED, now) for each in left]),
    )


_SKEW = timedelta(minutes=1)
"""How far a publisher's clock may be behind the store's. An agent that was removed and registered anew within this
counts as the one that was subscribed at publication."""


def answerable(
    named: tuple[str, ...] | None, topic: str, created_at: datetime, known: Mapping[Subscription, AgentRecord]
) -> tuple[str, ...]:
    """The agents that must end a task: of those named at its publication, the ones that have not been removed since.

    Where none was ever named (None), since the topic had no agent yet, they are those of its first declaration.
    """
    if named is not None:
        latest = created_at + _SKEW
        staying: list[str] = []
        for name in named:  # no comprehension: as a closure it takes twice as long, for each task of a listing
            record = known.get(subscription(topic, name))
            if record is not None and record.registered_at <= latest:
                staying.append(name)
        return named if len(staying) == len(named) else tuple(staying)
    return tuple(sorted(s.agent for s, record in known.items() if s.topic == topic and record.start is Start.BACKLOG))


def answerable_since(
    named: tuple[str, ...] | None, topic: str, known: Mapping[Subscription, AgentRecord]
) -> datetime | None:
    """From when on whoever is named for a task is `answerable`, each of them; None where that depends on more."""
    if not named:
        return None
    records = [known.get(subscription(topic, name)) for name in named]
    registered = [record.registered_at for record in records if record is not None]
    return max(registered) - _SKEW if len(registered) == len(named) else None


TOMBSTONE_LIFE = timedelta(days=7)
"""For how long a late delivery of what was deleted or has expired is known for what it is."""


def expired(records: Iterable[TaskRecord], expires_before: datetime, dead_before: datetime) -> Changes:
    """What retention removes: of these tasks, those of which everything ended that long ago.

    A run whose ack is not known leaves a tombstone, so that a late delivery does not begin it anew.
    """
    ripe = [record for record in records if is_expired(record, expires_before, dead_before)]
    tombstones: list[tuple[str, str]] = []
    for record in ripe:
        tombstones += [run.key for run in record.runs if not run.is_acked]
        if not record.runs:
            tombstones.append((record.task.task_id, ""))
    return Changes(deleted=tuple(record.task.task_id for record in ripe), tombstones=tuple(tombstones))


def is_expired(record: TaskRecord, expires_before: datetime, dead_before: datetime) -> bool:
    """Whether everything of the task ended that long ago; a dead letter has a limit of its own."""
    if not record.status.is_end:
        return False
    if not record.runs:
        return record.created_at < expires_before
    return all(_is_expired(run, expires_before, dead_before) for run in record.runs)


def _is_expired(run: Run, expires_before: datetime, dead_before: datetime) -> bool:
    limit = dead_before if run.state is RunState.DEAD else expires_before
    return run.finished_at is not None and run.finished_at < limit
