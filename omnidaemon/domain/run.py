"""One agent's handling of one task: its state and every way in which it can move on."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, Final, assert_never

import attrs

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.policy import Counts, Decision, End, RetryAfter, Wait, is_last_chance
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import replace

RunKey = tuple[str, str]
"""(task id, agent): what identifies a run."""

Fields = dict[str, Any]
"""Some of a run's fields, by name."""


class Kin:
    """What runs share that were made after one model: itself alone, and nothing else."""


class Run(RunStanding, kw_only=True):
    """A run as the store keeps it. Every method that moves it returns a new value.

    `fence` grows at each grant and never goes back: who holds an older one can record nothing. `request` is the last
    gate call that changed the run, so that the same call asked again gets the same answer. `queued_at` is since when
    this life could have been begun. `lease_until` is in seconds of the store's steady clock. `answers` maps questions
    to JSON text. `is_acked` says that the bus is known to have forgotten the delivery. `return_address` is who hears of
    its end.

    `kin` is the same object for runs that were made after one model: they are equal in all but task, `queued_at`,
    `seconds` and result, so that what follows from one of them need not be worked out for each. It says how a run was
    made, not what it is, so runs are equal whatever theirs is; no other move hands it on.
    """

    queued_at: datetime
    life: int = 1
    fence: int = 0
    owner: str | None = None
    request: str | None = None
    lease_until: float | None = None
    lease_seconds: float = 0.0
    is_cancel_requested: bool = False
    is_acked: bool = False
    question: str | None = None
    default: bytes | None = None
    answers: tuple[tuple[str, bytes], ...] = ()
    return_address: ReturnAddress | None = None

    kin: Kin | None = None

    def __eq__(self, other: object) -> bool:
        return _without_kin(self) == _without_kin(other) if isinstance(other, Run) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.key, self.fence))

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def key(self) -> RunKey:
        """What identifies the run."""
        return (self.task_id, self.subscription.agent)

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs now or would come next, from 1; a crash counts as one that was made."""
        return self.attempts + self.crashes + 1

    def is_held_by(self, owner: str, fence: int) -> bool:
        """Whether this grant is still the current one."""
        return self.state is RunState.RUNNING and self.fence == fence and self.owner == owner

    def is_lapsed(self, now: Instant) -> bool:
        """Whether the owner has let its lease run out. A lease can never reach further than its own length."""
        if self.state is not RunState.RUNNING or self.lease_until is None:
            return False
        return self.lease_until <= now.steady or self.lease_until > now.steady + self.lease_seconds + 1.0

    def is_due(self, now: Instant) -> bool:
        """Whether a worker may claim it."""
        return self.state.is_due_state and self.due_at is not None and self.due_at <= now.at

    def is_last_chance(self, crash_limit: int) -> bool:
        """Whether one more crash would end it."""
        return is_last_chance(self.crashes, crash_limit)

    def counts(self, at: datetime) -> Counts:
        """What the policy may know of it at this time of the store's clock."""
        started = self.started_at or at
        return Counts(
            attempts=self.attempts,
            crashes=self.crashes,
            queued_seconds=(started - self.queued_at).total_seconds(),
            running_seconds=(at - started).total_seconds(),
        )

    # --- how it moves -----------------------------------------------------------------------------------------------

    def granted(self, *, owner: str, request: str, lease_seconds: float, now: Instant) -> Run:
        """Running, under the next fence. A question that nobody answered in time is answered by its default."""
        answers = self.answers
        if self.question is not None and self.question not in dict(answers):
            answers = (*answers, (self.question, self.default or b"null"))
        return self._moved(
            {
                "state": RunState.RUNNING,
                "fence": self.fence + 1,
                "owner": owner,
                "request": request,
                "due_at": None,
                "lease_until": now.steady_after(lease_seconds),
                "lease_seconds": lease_seconds,
                "started_at": self.started_at or now.at,
                "question": None,
                "default": None,
                "answers": answers,
            }
        )

    def model(self) -> Run:
        """As this one, for `of()`."""
        return replace(self, kin=Kin())

    def of(self, task_id: str, queued_at: datetime, seconds: float = 0.0, result: bytes | None = None) -> Run:
        """As this model, for a task of its batch."""
        return replace(self, task_id=task_id, queued_at=queued_at, seconds=seconds, result=result)

    def renewed(self, now: Instant) -> Run:
        """The same grant, with its whole lease before it."""
        return self._moved({"lease_until": now.steady_after(self.lease_seconds)})

    def settled(self, decision: Decision, *, request: str, seconds: float, is_acked: bool, now: Instant) -> Run:
        """What its owner's attempt came to. A flagged run whose attempt does not end it is cancelled instead."""
        changes: Fields = {"request": request, "seconds": seconds, "is_acked": self.is_acked or is_acked}
        match decision:
            case End(state=state, result=result):
                changes |= self._counted(decision, now) | _ended(state, now, result)
            case RetryAfter(seconds=pause):
                state = RunState.RETRYING if decision.counts_attempt or pause > 0 else RunState.QUEUED
                changes |= self._counted(decision, now) | self._due(state, now, pause)
            case Wait(question=question) if question in dict(self.answers):
                changes |= self._due(RunState.QUEUED, now)
            case Wait(question=question, seconds=pause, default=default):
                changes |= {"question": question, "default": default} | self._due(RunState.WAITING, now, pause)
            case _:
                assert_never(decision)
        return self._moved(changes)

    def released(self, *, request: str, is_acked: bool, now: Instant, delay_seconds: float = 0.0) -> Run:
        """Given back by its owner without a verdict: due again, with no attempt and no crash counted."""
        changes: Fields = {"request": request, "is_acked": self.is_acked or is_acked}
        return self._moved(changes | self._due(RunState.QUEUED, now, delay_seconds))

    def lapsed(self, now: Instant) -> Run:
        """Its owner is taken for dead: a crash is counted, and the run is due at once."""
        error = AttemptError(
            type="WorkerLost",
            message=f"worker {self.owner} stopped renewing its lease of {duration_text(self.lease_seconds)}",
            kind=ErrorKind.CRASH,
            attempt=self.attempt,
            at=now.at,
        )
        changes: Fields = {"crashes": self.crashes + 1, "errors": (*self.errors, error)}
        return self._moved(changes | self._due(RunState.RETRYING, now))

    def cancelled(self, now: Instant) -> Run:
        """Ended when nobody executes it; else flagged, for its owner to stop it. An ended run stays as it is."""
        if self.state.is_end:
            return self
        if self.state is RunState.RUNNING:
            return self._moved({"is_cancel_requested": True})
        return self._moved(_ended(RunState.CANCELLED, now))

    def requeued(self, now: Instant) -> Run:
        """A new life of an ended run, due at once, with nothing held against it; the fence goes on."""
        return self._moved(
            {
                "state": RunState.QUEUED,
                "life": self.life + 1,
                "attempts": 0,
                "crashes": 0,
                "queued_at": now.at,
                "due_at": now.at,
                "is_cancel_requested": False,
                "started_at": None,
                "finished_at": None,
                "seconds": 0.0,
                "result": None,
                "errors": (),
                "question": None,
                "default": None,
                "answers": (),
            }
        )

    def answered(self, question: str, answer: bytes, now: Instant) -> Run:
        """With the answer kept; due at once when it waits for just that."""
        changes: Fields = {"answers": (*self.answers, (question, answer))}
        return self._moved(changes | self._due(RunState.QUEUED, now) if self.question == question else changes)

    # What is said of several fields at once; the run is copied once, whatever happens to it: copies were 9 % of what a
    # task cost.

    def _counted(self, decision: End | RetryAfter, now: Instant) -> Fields:
        if decision.error is None:
            return {"attempts": self.attempts + decision.counts_attempt}
        error = attrs.evolve(decision.error, attempt=self.attempt, at=now.at)
        return {"attempts": self.attempts + decision.counts_attempt, "errors": (*self.errors, error)}

    def _due(self, state: RunState, now: Instant, pause_seconds: float = 0.0) -> Fields:
        if self.is_cancel_requested:
            return _ended(RunState.CANCELLED, now)
        return {"state": state, "owner": None, "lease_until": None, "due_at": now.after(pause_seconds)}

    def _moved(self, changes: Fields) -> Run:
        """A copy with these fields changed, which is nobody's kin."""
        return replace(self, kin=None, **changes)


_without_kin: Final = attrgetter(*(name for name in Run.__struct_fields__ if name != "kin"))


def _ended(state: RunState, now: Instant, result: bytes | None = None) -> Fields:
    return {
        "state": state,
        "owner": None,
        "lease_until": None,
        "due_at": None,
        "finished_at": now.at,
        "result": result,
        "question": None,
        "default": None,
    }
