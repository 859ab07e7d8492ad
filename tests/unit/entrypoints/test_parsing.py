"""Shapes read back: whatever is told of, the value is the same again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as set_hypothesis
from hypothesis import strategies as st

from omnidaemon.app.queries import AgentState, AgentStatus, Health, ResultPage, TaskDetails, WebhookPage, WebhookStatus
from omnidaemon.bootstrap.settings import Shown
from omnidaemon.domain.agent import WorkerRecord, WorkerReport
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics, timing_bucket
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus, SendAttempt
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace
from omnidaemon.entrypoints import parsing, shapes
from omnidaemon.entrypoints.diagnosis import Finding, Severity
from omnidaemon.ports.bus import Depth

names = st.text("aZ9._-", min_size=1, max_size=5)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
counts = st.integers(0, 2**40)
seconds = st.floats(0, 1e9)
FIRST, LAST = datetime(2000, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
errors = st.builds(
    AttemptError,
    type=names,
    message=texts,
    kind=st.sampled_from(ErrorKind),
    traceback=texts,
    attempt=counts,
    at=st.none() | moments,
)
runs = st.builds(
    TaskResult,
    task_id=names,
    topic=names,
    agent=st.none() | names,
    status=st.sampled_from(Status),
    result=values,
    error=st.none() | errors,
    attempts=counts,
    created_at=moments,
    started_at=st.none() | moments,
    finished_at=st.none() | moments,
    duration_seconds=st.none() | seconds,
    next_attempt_at=st.none() | moments,
)
results = st.builds(lambda whole, parts: replace(whole, runs=tuple(parts)), runs, st.lists(runs, max_size=3))
events = st.builds(
    JournalEvent,
    kind=st.sampled_from(EventKind),
    task_id=names,
    topic=names,
    agent=st.none() | names,
    attempt=counts,
    detail=texts,
    at=moments,
    position=counts,
)
sent = st.builds(
    SendAttempt,
    status_code=st.none() | counts,
    error=st.none() | texts,
    seconds=seconds,
    attempt=counts,
    at=st.none() | moments,
)
webhooks = st.builds(
    WebhookStatus,
    webhook_id=names,
    kind=st.sampled_from(NotificationKind),
    target=st.just("https://example.org/hook"),  # short enough to be told whole
    status=st.sampled_from(OutboxStatus),
    reason=st.none() | texts,
    task_id=names,
    topic=names,
    agent=names,
    task_status=st.sampled_from(Status),
    created_at=moments,
    next_attempt_at=st.none() | moments,
    settled_at=st.none() | moments,
    attempts=st.lists(sent, max_size=3).map(tuple),
)
webhook_pages = st.builds(WebhookPage, webhooks=st.lists(webhooks, max_size=3).map(tuple), cursor=st.none() | names)
workers = st.builds(
    lambda report, seen_at, status: WorkerRecord(
        report=attrs.evolve(
            report, is_draining=status == "draining", running=0 if status == "lost" else report.running
        ),
        seen_at=seen_at,
        is_alive=status != "lost",
    ),
    st.builds(
        WorkerReport,
        incarnation=names,
        host=texts,
        pid=counts,
        started_at=moments,
        subscriptions=st.lists(st.builds(Subscription, names, names), max_size=3).map(tuple),
        running=counts,
        version=names,
    ),
    moments,
    st.sampled_from(["alive", "draining", "lost"]),
)
agents = st.builds(
    AgentStatus,
    topic=names,
    name=names,
    status=st.sampled_from(AgentState),
    description=texts,
    tools=st.lists(texts, max_size=3).map(tuple),
    workers=counts,
    when_stopped=st.sampled_from(["hold", "skip"]),
    concurrency=counts,
    waiting=st.none() | counts,
    counts=st.dictionaries(st.sampled_from(Status).map(str), counts),
)
timings = st.dictionaries(seconds.map(timing_bucket), counts).map(lambda found: tuple(sorted(found.items())))
metrics = st.dictionaries(
    st.builds(Subscription, names, names),
    st.builds(
        Metrics,
        **{
            field.name: seconds if field.name == "seconds_sum" else timings if field.name == "timings" else counts
            for field in attrs.fields(Metrics)
        },
    ),
    max_size=4,
)
health = st.builds(
    Health,
    status=st.sampled_from(["ok", "degraded", "unavailable"]),
    bus=names,
    store=names,
    workers=counts,
    agents=counts,
    notes=st.lists(texts, max_size=3).map(tuple),
)
depths = st.builds(Depth, topic=names, agent=st.none() | names, waiting=counts, held=counts)
pages = st.builds(ResultPage, results=st.lists(results, max_size=3).map(tuple), cursor=st.none() | names)
settings = st.lists(
    st.builds(Shown, name=names, value=texts, origin=texts), max_size=4, unique_by=lambda shown: shown.name
).map(tuple)
findings = st.lists(
    st.builds(Finding, severity=st.sampled_from(Severity), about=texts, found=texts, advice=texts), max_size=3
)

PAIRS = {
    "task_result": results,
    "task_page": pages,
    "journal_event": events,
    "webhook_page": webhook_pages,
    "agent": agents,
    "worker": workers,
    "depth": depths,
    "health": health,
    "metrics": metrics,
    "settings": settings,
    "checkup": findings,
}


few = set_hypothesis(max_examples=30, suppress_health_check=[HealthCheck.too_slow])  # values are large


@pytest.mark.parametrize("name", PAIRS)
@few
@given(data=st.data())
def test_what_is_told_can_be_read_back(name, data):
    """Through JSON, whatever the value is."""
    value = data.draw(PAIRS[name])
    told = json.loads(json.dumps(getattr(shapes, name)(value)))
    assert getattr(parsing, name)(told) == value


tasks = st.builds(
    Task,
    task_id=names,
    topic=names,
    payload=st.just(b"null"),
    created_at=moments,
    due_at=st.none() | moments,
    headers=st.dictionaries(names, texts, max_size=2),
    correlation_id=st.none() | names,
    causation_id=st.none() | names,
    idempotency_key=st.none() | texts,
)
details = st.builds(
    TaskDetails,
    result=results,
    payload=values,
    task=tasks,
    unreadable=st.none() | st.builds(Unreadable, task_id=names, topic=names, raw=st.binary(max_size=20), reason=texts),
    errors=st.lists(st.tuples(names, errors), max_size=2).map(tuple),
    events=st.lists(events, max_size=3).map(tuple),
    is_cancel_requested=st.booleans(),
)


@few
@given(details)
def test_everything_about_a_task_can_be_read_back(drawn):
    """One that can be read with all that its publisher gave it, one that cannot with its bytes."""
    own = {"task_id": drawn.result.task_id, "topic": drawn.result.topic}
    if drawn.unreadable is not None:
        told = attrs.evolve(drawn, payload=None, task=None, unreadable=attrs.evolve(drawn.unreadable, **own))
    else:
        body = json.dumps(drawn.payload, ensure_ascii=False, separators=(",", ":")).encode()
        told = attrs.evolve(drawn, task=replace(drawn.task, payload=body, created_at=drawn.result.created_at, **own))
    assert parsing.task_details(json.loads(json.dumps(shapes.task_details(told)))) == told


def test_what_a_newer_version_tells_is_passed_over():
    """A key more is no mistake, a key less is one."""
    told = shapes.depth(Depth(topic="t", agent=None, waiting=1)) | {"new": 1}
    assert parsing.depth(told) == Depth(topic="t", agent=None, waiting=1)
    del told["waiting"]
    with pytest.raises(KeyError):
        parsing.depth(told)
