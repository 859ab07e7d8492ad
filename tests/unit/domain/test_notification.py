"""What is told of ended runs: in which moves, to whom, and under which id."""

from __future__ import annotations

import pytest

from omnidaemon.domain.changes import changes_of
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.names import is_name
from omnidaemon.domain.notification import NotificationKind, notification_id, notifications_of
from omnidaemon.domain.policy import End, RetryAfter
from omnidaemon.domain.record import TaskRecord, withdrawn
from omnidaemon.domain.requests import EndRun, HoldRun, Request, StartRun
from omnidaemon.domain.return_address import ReturnAddress, return_address
from omnidaemon.domain.states import ENDS, RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.domain.values import replace
from omnidaemon.domain.webhook_url import shown_webhook
from tests.unit.domain.samples import GREETER, LOGGER, NOW, later, run, task

S = RunState
URL = "https://example.org/hook"
ADDRESS = ReturnAddress(created_at=NOW.at, webhook=URL, reply_to="answers", correlation_id="c", hops=2)
RUNNING = run(S.RUNNING, return_address=ADDRESS)
TASK = task(webhook=URL, reply_to="answers", correlation_id="c", hops=2)


def told(changes):
    return [(each.kind.value, each.run.state.value) for each in changes.notifications]


@pytest.mark.parametrize("state", S)
def test_a_run_that_comes_to_an_end_is_told(state):
    """To each who wants to hear; the states on the way are nobody's business."""
    before = None if state is S.SKIPPED else RUNNING
    changes = changes_of([(before, run(state, return_address=ADDRESS))], NOW.at)
    assert told(changes) == ([("webhook", state.value), ("reply", state.value)] if state in ENDS else [])


@pytest.mark.parametrize("state", sorted(ENDS))
def test_a_run_that_has_ended_is_told_no_more(state):
    """Neither when it is requeued nor when its ack is noted."""
    ended = run(state, return_address=ADDRESS)
    assert changes_of([(ended, ended.requeued(NOW))], NOW.at).notifications == ()
    assert changes_of([(ended, replace(ended, is_acked=True))], NOW.at).notifications == ()


@pytest.mark.parametrize("state", sorted(ENDS))
def test_a_run_of_a_task_that_named_nobody_is_told_to_nobody(state):
    assert changes_of([(run(S.RUNNING), run(state))], NOW.at).notifications == ()


def test_what_is_told_is_the_run_as_it_ended():
    settled = RUNNING.settled(
        End(state=S.SUCCEEDED, result=b"1"), request="r", seconds=0.5, is_acked=True, now=later(3)
    )
    webhook, reply = changes_of([(RUNNING, settled)], later(3).at).notifications
    assert (webhook.target, reply.target) == (URL, "answers")
    for each in (webhook, reply):
        assert (each.run, each.created_at, each.task_id, each.topic) == (settled, later(3).at, "t1", "greet.user")


def test_a_flagged_run_is_told_when_its_attempt_ends_otherwise():
    """As it is cancelled in that transaction."""
    flagged = RUNNING.cancelled(NOW)
    assert changes_of([(RUNNING, flagged)], NOW.at).notifications == ()
    retried = flagged.settled(RetryAfter(seconds=1), request="r", seconds=0, is_acked=True, now=NOW)
    for after in (retried, flagged.lapsed(NOW), flagged.released(request="r", is_acked=True, now=NOW)):
        assert {state for _, state in told(changes_of([(flagged, after)], NOW.at))} == {"cancelled"}


# --- ids --------------------------------------------------------------------------------------------------------------


def test_id_follows_from_what_is_told():
    """The same whoever derives it; another for another kind, task, agent or life."""
    kinds = NotificationKind
    others = [
        notification_id(kinds.REPLY, RUNNING),
        notification_id(kinds.WEBHOOK, replace(RUNNING, task_id="t2")),
        notification_id(kinds.WEBHOOK, replace(RUNNING, subscription=LOGGER)),
        notification_id(kinds.WEBHOOK, replace(RUNNING, life=2)),
        notification_id(kinds.WEBHOOK, replace(RUNNING, state=S.DEAD, result=b"other")),
    ]
    mine = notification_id(kinds.WEBHOOK, RUNNING)
    assert mine == others.pop()
    assert len({mine, *others}) == 5


def test_id_is_a_name_that_every_bus_can_carry():
    """A reply is published under it, however long the names are that it follows from."""
    long = replace(RUNNING, task_id="t" * 200, subscription=GREETER._replace(agent="a" * 200))
    assert is_name(notification_id(NotificationKind.REPLY, long))


# --- who hears of it --------------------------------------------------------------------------------------------------


def test_address_is_the_tasks():
    assert return_address(TASK) == ADDRESS
    assert return_address(task(correlation_id="c", hops=2)) is None
    assert return_address(Unreadable(task_id="t1", topic="greet.user", raw=b"{", reason="no")) is None
    assert (
        notifications_of(run(S.DEAD, return_address=return_address(task(reply_to="answers"))), NOW.at)[0].kind
        == "reply"
    )


@pytest.mark.parametrize(
    "intake",
    [
        StartRun(task=TASK, subscription=GREETER, lease_seconds=30),
        HoldRun(task=TASK, subscription=GREETER),
        EndRun(task=TASK, subscription=GREETER, state=S.SKIPPED),
    ],
    ids=lambda intake: type(intake).__name__,
)
def test_each_way_to_begin_a_run_keeps_the_address(intake):
    _, changes = Gates().begin(Request("w", "begin", 1), [intake], {}, Marks(), NOW)
    assert changes.runs[0].return_address == ADDRESS
    assert told(changes) == ([("webhook", "skipped"), ("reply", "skipped")] if isinstance(intake, EndRun) else [])


def test_a_delivery_of_what_was_cancelled_is_told():
    """The run begins as cancelled."""
    intake = StartRun(task=TASK, subscription=GREETER, lease_seconds=30)
    _, changes = Gates().begin(Request("w", "begin", 1), [intake], {}, Marks(cancelled={"t1"}), NOW)
    assert told(changes) == [("webhook", "cancelled"), ("reply", "cancelled")]


def test_cancelling_before_the_beginning_is_told_for_each_agent():
    record = TaskRecord.of(TASK, created_at=NOW.at, agents=("greeter", "logger"))
    changes = record.cancel(None, NOW)
    assert sorted((n.run.subscription.agent, n.kind.value) for n in changes.notifications) == [
        ("greeter", "reply"),
        ("greeter", "webhook"),
        ("logger", "reply"),
        ("logger", "webhook"),
    ]


def test_an_heir_takes_the_address_over():
    """The removed agent's run is told as cancelled, that of its heir when it ends."""
    changes = withdrawn([run(S.QUEUED, return_address=ADDRESS)], LOGGER, (), NOW)
    assert told(changes) == [("webhook", "cancelled"), ("reply", "cancelled")]
    assert [each.return_address for each in changes.runs] == [ADDRESS, ADDRESS]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://example.org/hook", "https://example.org/hook"),
        ("https://example.org:8443/hook/", "https://example.org:8443/hook/"),
        ("https://hooks.example/services/T0/B0/s3cret", "https://hooks.example/services/…"),
        ("https://example.org/0123456789abcdefs3cret", "https://example.org/0123456789abcdef…"),
        ("https://example.org/hook?a=s3cret#s3cret", "https://example.org/hook?…"),
        ("https://me:s3cret@example.org/", "https://example.org/"),
        ("http://[::s3cret", "…"),
    ],
)
def test_of_a_url_the_beginning_is_shown(url, shown):
    """The rest may be the key to somebody's channel. Shown once more, by a client of the API, it stays what it is."""
    assert shown_webhook(url) == shown
    assert shown_webhook(shown) == shown
