"""A task's record: its status over all agents, what commands make of it, and when retention removes it."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from omnidaemon.domain.agent import AgentProfile, AgentRecord, Start, registered
from omnidaemon.domain.errors import TaskNotFound, WrongState
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord, answerable, expired
from omnidaemon.domain.states import ENDS, RunState, Status
from omnidaemon.domain.values import replace
from tests.unit.domain.samples import GREETER, LOGGER, NOW, later, run, task

S = RunState
LATER = later(10)


def record(*states, agents=("greeter", "logger"), **more):
    """A task with one run in each of these states: of the greeter, the logger, and others."""
    subscriptions = [GREETER, LOGGER, Subscription("greet.user", "third")]
    runs = tuple(run(state, subscription=s) for state, s in zip(states, subscriptions, strict=False))
    return TaskRecord.of(**{"task": task(), "created_at": NOW.at, "agents": agents, "runs": runs, **more})


def test_runs_that_are_told_to_have_ended_take_their_places():
    """By agent, whether they were known before or not; what is known of a later life stays."""
    known = record(S.RUNNING, agents=("greeter", "logger"))
    ends = [run(S.SUCCEEDED, subscription=LOGGER), run(S.DEAD, subscription=GREETER)]
    merged = known.with_ends(ends)
    assert [(each.subscription, each.state) for each in merged.runs] == [(GREETER, S.DEAD), (LOGGER, S.SUCCEEDED)]
    assert (known.status, merged.status) == (Status.RUNNING, Status.DEAD)
    requeued = replace(known, runs=(run(S.QUEUED, subscription=GREETER, life=2),))
    assert requeued.with_ends(ends).status is Status.QUEUED
    assert known.with_ends([]) == known


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (record(), Status.QUEUED),
        (record(scheduled_for=LATER.at), Status.SCHEDULED),
        (record(is_cancelled=True), Status.CANCELLED),
        (record(S.SUCCEEDED), Status.QUEUED),
        (record(S.SUCCEEDED, is_cancelled=True), Status.SUCCEEDED),
        (record(S.SUCCEEDED, agents=("greeter",)), Status.SUCCEEDED),
        (record(S.SUCCEEDED, S.SUCCEEDED), Status.SUCCEEDED),
        (record(S.SUCCEEDED, S.RUNNING), Status.RUNNING),
        (record(S.DEAD, S.QUEUED), Status.QUEUED),
        (record(S.RETRYING, S.WAITING), Status.WAITING),
        (record(S.RETRYING, S.QUEUED), Status.RETRYING),
        (record(S.WAITING, S.RUNNING), Status.RUNNING),
        (record(S.SUCCEEDED, S.DEAD, S.CANCELLED), Status.DEAD),
        (record(S.SUCCEEDED, S.CANCELLED, S.SKIPPED), Status.CANCELLED),
        (record(S.SUCCEEDED, S.SKIPPED), Status.SKIPPED),
        (record(S.RUNNING, scheduled_for=LATER.at), Status.RUNNING),
    ],
)
def test_status_is_over_all_agents(found, status):
    """The least advanced run until all have ended, then the gravest end."""
    assert found.status is status


@pytest.mark.parametrize(
    ("found", "wanted", "is_match"),
    [
        (record(S.DEAD), {}, True),
        (record(S.DEAD), {"topic": "other"}, False),
        (record(S.DEAD), {"topic": "greet.user", "status": Status.DEAD}, True),
        (record(S.DEAD), {"status": Status.QUEUED}, True),
        (record(S.DEAD), {"agent": "logger", "status": Status.QUEUED}, True),
        (record(S.DEAD), {"agent": "logger", "status": Status.DEAD}, False),
        (record(S.DEAD), {"agent": "greeter"}, True),
        (record(S.DEAD), {"agent": "nobody"}, False),
        (record(S.DEAD, S.DEAD), {"status": Status.QUEUED}, False),
        (record(agents=()), {"status": Status.QUEUED}, True),
        (record(scheduled_for=LATER.at), {"status": Status.SCHEDULED}, True),
        (record(is_cancelled=True, agents=()), {"status": Status.CANCELLED}, True),
    ],
)
def test_filter_looks_at_each_part(found, wanted, is_match):
    """A task matches by any of its runs, or by what has not begun; with an agent, by that one's part alone."""
    assert found.matches(**wanted) is is_match


# --- commands ---------------------------------------------------------------------------------------------------------


def test_cancel_ends_flags_and_marks():
    """Due runs end, running ones are flagged, unbegun agents get a cancelled run; the mark keeps others away."""
    changes = record(S.RUNNING, S.QUEUED, agents=("greeter", "logger", "third", "fourth")).cancel(None, LATER)
    assert [(each.subscription.agent, each.state, each.is_cancel_requested) for each in changes.runs] == [
        ("greeter", "running", True),
        ("logger", "cancelled", False),
        ("third", "cancelled", False),
        ("fourth", "cancelled", False),
    ]
    assert changes.cancel_marks == {"t1": True}
    assert [event.kind for event in changes.events] == ["cancel_requested", *["cancelled"] * 3]


def test_cancel_of_a_task_that_nobody_knows_yet_leaves_a_mark():
    """And a line in the journal; a scheduled one leaves the schedule."""
    changes = record(agents=(), scheduled_for=LATER.at).cancel(None, LATER)
    assert (changes.runs, changes.cancel_marks, changes.unscheduled) == ((), {"t1": True}, ("t1",))
    assert [(event.kind, event.agent) for event in changes.events] == [("cancelled", None)]


def test_cancel_of_one_agent_sets_no_mark():
    """The others may go on."""
    changes = record(S.RUNNING).cancel("logger", LATER)
    assert [(each.subscription.agent, each.state) for each in changes.runs] == [("logger", "cancelled")]
    assert changes.cancel_marks == {}


@pytest.mark.parametrize("state", sorted(ENDS))
def test_cancel_of_an_end_is_refused(state):
    """Whether for the task or for the agent."""
    for agent in (None, "greeter"):
        with pytest.raises(WrongState, match="cannot cancel"):
            record(state, agents=("greeter",)).cancel(agent, LATER)
    with pytest.raises(WrongState):
        record(agents=(), is_cancelled=True).cancel(None, LATER)


def test_requeue_chooses_what_did_not_succeed():
    """All of it, or the one named whatever it was; the mark is cleared."""
    found = record(S.SUCCEEDED, S.DEAD, S.RUNNING, is_cancelled=True)
    changes = found.requeue(None, LATER)
    assert [(each.subscription.agent, each.life) for each in changes.runs] == [("logger", 2)]
    assert changes.cancel_marks == {"t1": False}
    assert [each.subscription.agent for each in found.requeue("greeter", LATER).runs] == ["greeter"]
    assert record(S.DEAD).requeue(None, LATER).cancel_marks == {}


def test_requeue_of_a_cancelled_task_that_nobody_began_clears_its_mark():
    """So that its delivery begins it; and the journal tells of it."""
    changes = record(agents=(), is_cancelled=True).requeue(None, LATER)
    assert (changes.runs, changes.cancel_marks) == ((), {"t1": False})
    assert [(event.kind, event.agent) for event in changes.events] == [("requeued", None)]


@pytest.mark.parametrize("states", [(), (S.RUNNING,), (S.QUEUED, S.WAITING), (S.SUCCEEDED,)])
def test_requeue_without_an_end_to_leave_is_refused(states):
    """Nothing to begin anew."""
    with pytest.raises(WrongState, match="cannot requeue"):
        record(*states).requeue(None, LATER)


@pytest.mark.parametrize("command", ["cancel", "requeue", "delete"])
def test_commands_for_a_foreign_agent_are_refused(command):
    """The error names task and agent."""
    with pytest.raises(TaskNotFound, match="'t1' for agent 'nobody'"):
        getattr(record(S.DEAD), command)("nobody", LATER)


def test_answer_needs_a_run_without_that_answer():
    """The first counts."""
    with pytest.raises(TaskNotFound):
        record().answer("greeter", "ok?", b"1", LATER)
    with pytest.raises(TaskNotFound):
        record().answer("nobody", "ok?", b"1", LATER)
    waiting = run(S.WAITING, answers=(("ok?", b"0"),))
    with pytest.raises(WrongState, match="already answered"):
        TaskRecord.of(task(), created_at=NOW.at, runs=(waiting,)).answer("greeter", "ok?", b"1", LATER)


def test_delete_forgets_the_task_and_buries_it():
    """With all of its runs, schedule and all."""
    changes = record(S.DEAD, S.QUEUED, scheduled_for=LATER.at).delete(None, LATER)
    assert (changes.deleted, changes.tombstones, changes.unscheduled) == (("t1",), (("t1", ""),), ("t1",))
    assert [(event.kind, event.agent) for event in changes.events] == [("deleted", None)]


def test_delete_of_one_agents_run_leaves_the_task():
    """Unless that agent was the only one."""
    changes = record(S.DEAD, S.SUCCEEDED).delete("greeter", LATER)
    assert (changes.deleted, changes.forgotten) == ((), (("t1", "greeter"),))
    assert changes.tombstones == (("t1", "greeter"),)
    assert [(event.kind, event.agent) for event in changes.events] == [("deleted", "greeter")]
    assert record(S.DEAD, agents=("greeter",)).delete("greeter", LATER).deleted == ("t1",)


@pytest.mark.parametrize(
    ("states", "agent"), [((S.RUNNING,), None), ((S.RUNNING,), "greeter"), ((S.QUEUED, S.DEAD), "greeter")]
)
def test_delete_of_what_is_in_use_is_refused(states, agent):
    """The message says what to do first."""
    with pytest.raises(WrongState, match="cancel it first"):
        record(*states).delete(agent, LATER)


@pytest.mark.parametrize(
    ("states", "agent", "told"),
    [
        ((S.QUEUED, S.DEAD), "greeter", "queued"),
        ((S.SUCCEEDED, S.DEAD), "greeter", "succeeded"),
        ((S.DEAD,), "logger", "queued"),
        ((S.DEAD,), None, "queued"),
        ((S.DEAD, S.RUNNING), None, "running"),
    ],
)
def test_purging_what_is_not_dead_is_refused(states, agent, told):
    """Whoever saw it dead has seen an older state."""
    with pytest.raises(WrongState, match=f"cannot purge task 't1': it is {told}, no dead letter"):
        record(*states).delete(agent, LATER, only_dead=True)


def test_what_has_succeeded_is_refused_with_the_way_to_run_it_again():
    """By the name of its agent; what has not ended would not be run by that either."""
    by_name = "it is succeeded; name its agent to run it again$"
    with pytest.raises(WrongState, match=by_name):
        record(S.SUCCEEDED, S.SUCCEEDED).requeue(None, LATER)
    assert record(S.SUCCEEDED, S.SUCCEEDED).requeue("greeter", LATER).runs
    with pytest.raises(WrongState, match=r"it is running$"):
        record(S.SUCCEEDED, S.RUNNING).requeue(None, LATER)


def test_purging_what_is_dead_deletes_it():
    """The run, or all of the task."""
    assert record(S.DEAD).delete("greeter", LATER, only_dead=True).forgotten == (("t1", "greeter"),)
    assert record(S.DEAD, S.DEAD).delete(None, LATER, only_dead=True).deleted == ("t1",)


@pytest.mark.parametrize("agent", ["greeter", None])
@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.RETRYING, S.SUCCEEDED, S.CANCELLED, S.SKIPPED])
def test_requeueing_as_a_dead_letter_what_is_none_is_refused(state, agent):
    """Somebody has requeued it meanwhile, or it was never one."""
    with pytest.raises(WrongState, match=f"cannot requeue task 't1': it is {state}, no dead letter"):
        record(state).requeue(agent, LATER, only_dead=True)


def test_requeueing_as_a_dead_letter_what_nobody_has_begun_is_refused():
    """Also when it was cancelled as a whole, which a plain requeue takes back."""
    with pytest.raises(WrongState, match="no dead letter"):
        record(is_cancelled=True).requeue(None, LATER, only_dead=True)


def test_requeueing_dead_letters_leaves_all_other_ends():
    """What was cancelled on purpose stays so."""
    (again,) = record(S.DEAD, S.CANCELLED).requeue(None, LATER, only_dead=True).runs
    assert (again.subscription.agent, again.state, again.life) == ("greeter", S.QUEUED, 2)


# --- retention --------------------------------------------------------------------------------------------------------

OLD, NEW = NOW.at - timedelta(days=2), NOW.at
LIMIT, NEVER = NOW.at - timedelta(days=1), NOW.at - timedelta(days=10_000)


def ended(state, finished_at=OLD, **more):
    return run(state, finished_at=finished_at, is_acked=True, **more)


def of(*runs, **more):
    return TaskRecord.of(**{"task": task(), "created_at": OLD, "runs": runs, **more})


@pytest.mark.parametrize(
    ("found", "dead_before", "is_deleted"),
    [
        (of(ended(S.SUCCEEDED)), NEVER, True),
        (of(ended(S.SUCCEEDED, NEW)), NEVER, False),
        (of(ended(S.SUCCEEDED), ended(S.CANCELLED, NEW, subscription=LOGGER)), NEVER, False),
        (of(ended(S.SUCCEEDED), agents=("logger",)), NEVER, False),
        (of(ended(S.SUCCEEDED), run(S.RUNNING, subscription=LOGGER)), NEVER, False),
        (of(ended(S.DEAD)), NEVER, False),
        (of(ended(S.DEAD)), LIMIT, True),
        (of(run(S.WAITING)), LIMIT, False),
        (of(), LIMIT, False),
        (of(is_cancelled=True), LIMIT, True),
        (of(is_cancelled=True, created_at=NEW), LIMIT, False),
    ],
)
def test_retention_removes_what_ended_long_ago(found, dead_before, is_deleted):
    """All of it has to have ended, each part long ago; dead letters have a limit of their own."""
    assert expired([found], LIMIT, dead_before).deleted == (("t1",) if is_deleted else ())


def test_retention_buries_what_may_still_be_delivered():
    """A run whose ack is not known, and a cancelled task that nobody began."""
    unacked = replace(ended(S.SUCCEEDED, subscription=LOGGER), is_acked=False)
    assert expired([of(ended(S.SUCCEEDED), unacked)], LIMIT, LIMIT).tombstones == (("t1", "logger"),)
    assert expired([of(is_cancelled=True)], LIMIT, LIMIT).tombstones == (("t1", ""),)


# --- who has to answer for a task -------------------------------------------------------------------------------------


def agent(subscription, registered_at=OLD, start=Start.BACKLOG, **more):
    return AgentRecord(
        profile=AgentProfile(subscription=subscription), registered_at=registered_at, start=start, **more
    )


def test_agents_named_at_publication_answer_unless_removed_since():
    """One that was registered anew is another agent, beyond what two machines' clocks may differ."""
    known = {GREETER: agent(GREETER, registered_at=later(5).at), LOGGER: agent(LOGGER, registered_at=later(1e6).at)}
    assert answerable(("greeter", "logger", "gone"), "greet.user", NEW, known) == ("greeter",)


def test_first_agents_of_a_topic_answer_for_what_waited():
    """Those that start at the backlog, and of that topic only; nobody, where the agents that were named are gone."""
    other = Subscription("other", "greeter")
    known = {GREETER: agent(GREETER), LOGGER: agent(LOGGER, start=Start.NOW), other: agent(other)}
    assert answerable(None, "greet.user", NEW, known) == ("greeter",)
    assert answerable((), "greet.user", NEW, known) == ()


def test_registration_keeps_what_is_known_of_an_agent():
    """A new one starts where its topic stands."""
    profile = AgentProfile(subscription=GREETER, description="new")
    known = {GREETER: agent(GREETER, is_declared=True, is_stopped=True, generation=3)}
    records = registered([profile, AgentProfile(subscription=LOGGER)], known, NEW)
    assert records[GREETER] == attrs.evolve(known[GREETER], profile=profile)
    assert (records[LOGGER].start, records[LOGGER].registered_at) == (Start.NOW, NEW)
    assert registered([profile], {}, NEW)[GREETER].start is Start.BACKLOG


def test_desire_counts_changes_only():
    """The generation tells workers that something is new."""
    stopped = agent(GREETER).desired(is_stopped=True)
    assert (stopped.is_stopped, stopped.generation) == (True, 1)
    assert stopped.desired(is_stopped=True) is stopped
    assert stopped.desired(is_stopped=False).generation == 2
