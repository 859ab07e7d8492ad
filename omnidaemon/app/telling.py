"""What is said of outcomes: a line for each that is out of the ordinary, and of what comes of it."""

from __future__ import annotations

from collections.abc import Iterable

from omnidaemon.app.error_texts import headline_of
from omnidaemon.domain.durations import duration_text, pause_text
from omnidaemon.domain.outcome import Expired, Failed
from omnidaemon.domain.policy import Decision, End, RetryAfter, Wait
from omnidaemon.domain.requests import Finish, Grant
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.telemetry import Level, Telemetry


class OutcomeTelling:
    """Runs that succeed are told of only where somebody reads that: `tells_ends`."""

    def __init__(self, telemetry: Telemetry, *, tells_ends: bool) -> None:
        self._telemetry = telemetry
        self._tells_ends = tells_ends

    def failed(self, grant: Grant, outcome: Failed | Expired, decision: Decision) -> None:
        """One line, the first of the message, and the traceback for those who look closer; the whole error is in the
        store."""
        run, error = grant.run, outcome.error
        # What has expired was not attempted once more.
        what = f"{'' if isinstance(outcome, Expired) else f'attempt {run.attempt} of '}task {run.task_id}"
        headline = headline_of(error.message)
        self._telemetry.say(
            Level.WARNING,
            f"agent {run.subscription.agent}: {what} failed: "
            f"{error.type}{': ' if headline else ''}{headline}; {_consequence(decision)}",
            task_id=run.task_id,
            agent=run.subscription.agent,
            topic=run.subscription.topic,
        )
        for line in error.traceback.splitlines():  # one by one: what an error says must not look like a line of ours
            self._telemetry.say(Level.DEBUG, f"    {line}", task_id=run.task_id)

    def ended(self, finishes: Iterable[Finish]) -> None:
        """One line for each run that has succeeded; the others are told of with their errors."""
        if not self._tells_ends:
            return
        for finish in finishes:
            if isinstance(finish.decision, End) and finish.decision.state is RunState.SUCCEEDED:
                self._telemetry.say(
                    Level.DEBUG,
                    f"agent {finish.agent}: task {finish.task_id} succeeded in {duration_text(finish.seconds)}",
                    task_id=finish.task_id,
                    agent=finish.agent,
                )

    def lost(self, key: RunKey) -> None:
        """Its lease was lost meanwhile."""
        end = "which another worker has: its outcome is not recorded"
        self._of(key, Level.INFO, f"came to the end of task {key[0]}, {end}")

    def too_late(self, key: RunKey) -> None:
        """The store has refused it."""
        self._of(key, Level.WARNING, f"finished task {key[0]} too late: another worker has it")

    def _of(self, key: RunKey, level: Level, what: str) -> None:
        task_id, agent = key
        self._telemetry.say(level, f"agent {agent} {what}", task_id=task_id, agent=agent)

    def unstorable(self, task_id: str, message: str) -> None:
        """The store could not record it."""
        self._telemetry.say(Level.ERROR, f"task {task_id}: {message}", task_id=task_id)

    def waits_for_newer(self, task: Unreadable) -> None:
        """This version cannot read the task."""
        self._telemetry.say(
            Level.WARNING, f"task {task.task_id} waits for a newer version: {task.reason}", task_id=task.task_id
        )


def _consequence(decision: Decision) -> str:
    """What comes of a failed attempt."""
    match decision:
        case RetryAfter(seconds=seconds):
            return f"again {pause_text(seconds)}"
        case End():
            return "given up: it is a dead letter now"
        case Wait():
            return "waiting for an answer"
