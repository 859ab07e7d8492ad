"""What `omni doctor` makes of what it sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from omnidaemon.app.queries import AgentState, Health, WebhookPage, WebhookStatus
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.domain.agent import WorkerRecord, WorkerReport
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import diagnosis
from omnidaemon.ports.backend import Weakness
from omnidaemon.ports.bus import Depth
from tests.unit.entrypoints.samples import IDLE_AGENT

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GIVEN_UP = WebhookStatus(
    webhook_id="n1",
    kind=NotificationKind.WEBHOOK,
    target="https://there.test/hook",
    status=OutboxStatus.FAILED,
    reason="it answered 500",
    task_id="t1",
    topic="greet",
    agent="greeter",
    task_status=Status.SUCCEEDED,
    created_at=NOW,
    next_attempt_at=None,
    settled_at=NOW,
)
IDLE = attrs.evolve(IDLE_AGENT, topic="greet")


def worker(**changes):
    """A worker that runs the greeter."""
    report = WorkerReport(
        incarnation="w", host="h", pid=1, started_at=NOW, subscriptions=(Subscription("greet", "greeter"),)
    )
    return attrs.evolve(WorkerRecord(report=report, seen_at=NOW), **changes)


def told(findings):
    """Severity and all words of each finding."""
    return [(one.severity.value, f"{one.about}: {one.found}; {one.advice}") for one in findings]


def only_trouble(findings):
    """Those that are not fine."""
    return [(severity, text) for severity, text in told(findings) if severity != "fine"]


def test_settings_are_told_with_their_origin(tmp_path):
    """What differs from the default is named with where it came from; an allowed mismatch is weak."""
    environ = {"EVENT_BUS_TYPE": "memory", "OMNIDAEMON_ALLOW_MISMATCH": "true", "HOME": str(tmp_path)}
    first, second = told(diagnosis.of_settings(load_settings(directory=tmp_path, environ=environ)))
    assert first[0] == "fine"
    assert "EVENT_BUS_TYPE=memory (environment EVENT_BUS_TYPE)" in first[1]
    assert second[0] == "weak"
    assert "OMNIDAEMON_ALLOW_MISMATCH" in second[1]


def test_what_does_not_answer_is_wrong_and_what_is_lossy_weak():
    """Each note of the health is a finding."""
    ill = Health(status="unavailable", bus="b", store="s", workers=0, agents=0, notes=("no answer",))
    assert [severity for severity, _ in told(diagnosis.of_health(ill))] == ["wrong"]
    lossy = attrs.evolve(ill, status="degraded", notes=("the bus can lose tasks",))
    assert [severity for severity, _ in told(diagnosis.of_health(lossy))] == ["fine", "weak"]


def test_how_a_backend_is_run_is_told_with_what_to_do():
    """What is grave is wrong, the rest is weak."""
    weak = Weakness(backend="redis at here", found="appendonly is off", advice="switch it on")
    findings = diagnosis.of_weaknesses([weak, attrs.evolve(weak, is_grave=True)])
    text = "redis at here: appendonly is off; switch it on"
    assert told(findings) == [("weak", text), ("wrong", text)]


@pytest.mark.parametrize(
    ("change", "severity", "words"),
    [
        ({"status": "unmanned", "workers": 0, "waiting": 1}, "wrong", "1 task waits, and no worker runs it"),
        ({"status": "unmanned", "workers": 0, "counts": {"retrying": 2}}, "wrong", "2 tasks wait, and no worker"),
        ({"status": "unmanned", "workers": 0}, "weak", "its tasks will wait"),
        ({"status": "unmanned", "workers": 0}, "weak", "if it is gone for good: omni agent remove greet greeter"),
        ({"status": "stopped", "waiting": 3}, "weak", "omni agent start greet greeter"),
        ({"counts": {"dead": 2}}, "weak", "2 dead letters; look at them: omni dlq list greet"),
    ],
)
def test_an_agent_that_needs_somebody_is_named(change, severity, words):
    """Tasks that wait for nobody are wrong; what a person may want to look at is weak."""
    ((found, text),) = only_trouble(diagnosis.of_agents([attrs.evolve(IDLE, **change)], []))
    assert found == severity
    assert words in text


def test_an_agent_under_an_old_name_is_recognised():
    """Nobody runs it while another of its topic is run: the command that hands over is named. It may have been run a
    moment ago, so that nothing is said of how long it was not."""
    old = attrs.evolve(IDLE, name="old", status=AgentState.UNMANNED, workers=0, waiting=2)
    ((severity, text),) = only_trouble(diagnosis.of_agents([IDLE, old], [worker()]))
    assert severity == "wrong"
    assert "omni agent remove greet old --to greeter" in text
    assert "hour" not in text


def test_an_agent_that_was_run_lately_is_not_taken_for_renamed():
    """Its worker may just be restarting."""
    other = attrs.evolve(IDLE, name="other")
    gone = attrs.evolve(IDLE, status=AgentState.UNMANNED, workers=0)
    ((_, text),) = only_trouble(diagnosis.of_agents([gone, other], [worker(is_alive=False)]))
    assert "renamed" not in text


def test_a_topic_without_agents_is_named_when_tasks_wait_there():
    """Most likely its name was misspelt."""
    depths = [Depth(topic="gret", agent=None, waiting=2), Depth(topic="greet", agent="greeter", waiting=9)]
    ((severity, text),) = told(diagnosis.of_topics(depths))
    assert severity == "weak"
    assert "topic gret: 2 waiting" in text


@pytest.mark.parametrize(
    ("number", "cursor", "words"),
    [(1, None, "1 was given up"), (2, None, "2 were given up"), (2, "more", "2 or more were given up")],
)
def test_webhooks_that_were_given_up_are_weak(number, cursor, words):
    """With where to look; of many it is not said how many."""
    page = WebhookPage(webhooks=(GIVEN_UP,) * number, cursor=cursor)
    ((severity, text),) = told(diagnosis.of_webhooks(page))
    assert severity == "weak"
    assert words in text
    assert "omni webhook list --status failed" in text
    assert not told(diagnosis.of_webhooks(WebhookPage(webhooks=())))


def test_a_silent_worker_and_one_from_the_future_are_named():
    """Silence is weak; a clock ahead of ours is wrong."""
    silent = worker(is_alive=False, seen_at=NOW - timedelta(minutes=3))
    ((severity, text),) = told(diagnosis.of_workers([silent], NOW))
    assert severity == "weak"
    assert "3 min ago" in text
    ((severity, text),) = told(diagnosis.of_workers([worker(seen_at=NOW + timedelta(minutes=1))], NOW))
    assert severity == "wrong"
    assert "1 min in the future" in text
    assert not told(diagnosis.of_workers([worker()], NOW))


def test_a_dead_worker_that_was_replaced_is_nothing_to_do():
    """Others run its agents; one whose agents nobody runs is named."""
    dead = worker(is_alive=False, seen_at=NOW - timedelta(minutes=30))
    assert not told(diagnosis.of_workers([dead, worker()], NOW))
    report = attrs.evolve(dead.report, subscriptions=(Subscription("greet", "other"),))
    assert told(diagnosis.of_workers([attrs.evolve(dead, report=report), worker()], NOW))


@pytest.mark.parametrize(
    ("now", "newest", "severity"),
    [
        (NOW, None, "fine"),
        (NOW, NOW, "fine"),
        (NOW, NOW + timedelta(minutes=1), "wrong"),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "wrong"),
    ],
)
def test_a_clock_that_cannot_be_right_is_wrong(now, newest, severity):
    """Neither before OmniDaemon existed nor behind the newest task."""
    assert [found for found, _ in told(diagnosis.of_clock(now, newest))] == [severity]
