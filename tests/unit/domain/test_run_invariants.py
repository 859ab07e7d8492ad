"""What holds of a run however it has lived: random lives, through the gates and the commands."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from omnidaemon.domain.changes import changes_of
from omnidaemon.domain.errors import WrongState
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.states import RunState
from tests.unit.domain.samples import ERROR, GREETER, NOW, later, run, task

DECISIONS = [
    End(state=RunState.SUCCEEDED, result=b"1"),
    End(state=RunState.DEAD, error=ERROR),
    End(state=RunState.DEAD, error=ERROR, counts_attempt=False),
    RetryAfter(seconds=1, error=ERROR),
    RetryAfter(seconds=0, counts_attempt=False),
    Wait(question="ok?", seconds=1),
]
EVENTS = ["grant", "lapse", "release", "cancel", "requeue", "answer", "renew", *range(len(DECISIONS))]


def moved(before, event, now):
    """The run after this event, or as it was where the event does not apply: as gates and commands see to it."""
    if event in ("cancel", "requeue", "answer"):
        return ordered(before, event, now)
    if event == "grant":
        if not before.is_due(now):
            return before
        return before.granted(owner="w", request="w:claim:1", lease_seconds=5, now=now)
    if before.state is not RunState.RUNNING:
        return before
    match event:
        case "lapse":
            return before.lapsed(now)
        case "release":
            return before.released(request="w:release:1", is_acked=True, now=now)
        case "renew":
            return before.renewed(now)
    return before.settled(DECISIONS[event], request="w:finish:1", seconds=0.5, is_acked=True, now=now)


def ordered(before, command, now):
    """The run after somebody's command."""
    record = TaskRecord.of(task(), created_at=NOW.at, runs=(before,))
    arguments = ("greeter", "ok?", b"1") if command == "answer" else ("greeter",)
    try:
        return getattr(record, command)(*arguments, now).runs[0]
    except WrongState:
        return before


def history(events):
    """The versions of a run that lived through these events, a second apart."""
    versions = [run()]
    for second, event in enumerate(events, start=1):
        versions.append(moved(versions[-1], event, later(second)))
    return versions


lives = st.lists(st.sampled_from(EVENTS), max_size=40)


@given(lives)
def test_nothing_but_a_requeue_leaves_an_end(events):
    """And that begins the next life."""
    versions = history(events)
    for before, after in pairwise(versions):
        if before.state.is_end and after != before:
            assert (after.state, after.life) == (RunState.QUEUED, before.life + 1)


@given(lives)
def test_fences_and_lives_only_grow(events):
    """A fence by one with each grant, a life by one with each requeue."""
    versions = history(events)
    for before, after in pairwise(versions):
        assert after.fence - before.fence in (0, 1)
        assert after.life - before.life in (0, 1)
        is_new_grant = after.state is RunState.RUNNING and before.state is not RunState.RUNNING
        assert (after.fence > before.fence) is is_new_grant


@given(lives)
def test_every_version_is_whole(events):
    """Owner and lease belong to running, a due time to what waits for one, a finish time to an end."""
    for version in history(events):
        assert (version.owner is not None) is (version.state is RunState.RUNNING)
        assert (version.lease_until is not None) is (version.state is RunState.RUNNING)
        assert (version.due_at is not None) is version.state.is_due_state
        assert (version.finished_at is not None) is version.state.is_end
        assert version.question is None or version.state in (RunState.WAITING, RunState.QUEUED)


@given(lives)
def test_no_grant_follows_a_cancellation_in_the_same_life(events):
    """A run that was flagged runs on until its attempt is over, and never again."""
    versions = history(events)
    for before, after in pairwise(versions):
        if before.is_cancel_requested and after.life == before.life:
            assert after.fence == before.fence


@given(lives, st.integers(0, 40))
def test_metrics_of_a_history_add_up_in_any_parts(events, cut):
    """Counted change by change, in two parts or all at once: the same numbers, and one end per end."""
    versions = history(events)
    moves = [(None, versions[0]), *pairwise(versions)]
    whole = changes_of(moves, NOW.at).metrics[GREETER]
    parts = (part for part in (moves[:cut], moves[cut:]) if part)
    assert sum((changes_of(part, NOW.at).metrics[GREETER] for part in parts), Metrics()) == whole
    assert sum((changes_of([move], NOW.at).metrics[GREETER] for move in moves), Metrics()) == whole
    ends = sum(after.state.is_end and not (before and before.state.is_end) for before, after in moves)
    counted = whole.tasks_processed + whole.tasks_dead_lettered + whole.tasks_cancelled + whole.tasks_skipped
    assert (whole.tasks_received, counted) == (1, ends)
