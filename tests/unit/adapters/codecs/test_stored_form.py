"""Values of the domain and the ports in their stored form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.domain.agent import AgentProfile, AgentRecord, DesiredState, Start, WhenStopped, WorkerReport
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import Notification, NotificationKind
from omnidaemon.domain.outbox import SendAttempt
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.requests import Claims, Finish, Grant, Held, Renewals, Request
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState, Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.bus import BusCapabilities, Confirmation, Depth, Receipt

GOLDEN = Path(__file__).parent / "golden"
CODEC = JsonCodec()
AT = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
GREETER = Subscription("greet.user", "greeter")
ERROR = AttemptError(
    type="ValueError", message="no name", kind=ErrorKind.TIMEOUT, traceback="Traceback …", attempt=2, at=AT
)
TASK = Task(task_id="task-1", topic="greet.user", payload=b'{"name":"Ada"}', created_at=AT, headers={"a": "b"})
UNREADABLE = Unreadable(task_id="task-2", topic="greet.user", raw=b"\xff{", reason="not JSON")
RUN = Run(
    task_id="task-1",
    subscription=GREETER,
    state=RunState.RETRYING,
    queued_at=AT,
    fence=3,
    request="worker:main:7",
    due_at=AT,
    result=b'{ "spelled" : "so" }',
    errors=(ERROR,),
    question="ok?",
    default=b"null",
    answers=(("ok?", b"true"),),
)
ADDRESS = ReturnAddress(
    created_at=AT, webhook="https://example.org/hook", reply_to="answers", correlation_id="task-0", hops=2
)
NOTIFICATION = Notification(
    notification_id="webhook-1",
    kind=NotificationKind.WEBHOOK,
    target="https://example.org/hook",
    run=Run(
        task_id="task-1",
        subscription=GREETER,
        state=RunState.SUCCEEDED,
        queued_at=AT,
        finished_at=AT,
        result=b"[1]",
        return_address=ADDRESS,
    ),
    created_at=AT,
)
SENT = SendAttempt(status_code=503, error="busy", seconds=0.25, attempt=2, at=AT)
PROFILE = AgentProfile(subscription=GREETER, tools=("search",), when_stopped=WhenStopped.SKIP)
WORKER = WorkerReport(incarnation="w-1", host="here", pid=7, started_at=AT, subscriptions=(GREETER,), version="1.0.0")
EVENT = JournalEvent(
    kind=EventKind.RETRIED, task_id="task-1", topic="greet.user", at=AT, agent="greeter", attempt=2, position=9
)
METRICS = Metrics(tasks_received=2, seconds_sum=0.5, timings=((3, 1), (4, 1)))

KEPT = {
    "attempt-error.json": ERROR,
    "subscription.json": GREETER,
    "agent-profile.json": PROFILE,
    "worker-report.json": WORKER,
    "journal-event.json": EVENT,
    "metrics.json": METRICS,
    "run.json": RUN,
    "return-address.json": ADDRESS,
    "notification.json": NOTIFICATION,
    "send-attempt.json": SENT,
    "unreadable.json": UNREADABLE,
}
"""What stores keep for long: their bytes are golden too."""

VALUES = [
    *KEPT.values(),
    TASK,
    AgentRecord(profile=PROFILE, start=Start.NOW, registered_at=AT, is_stopped=True, generation=4),
    DesiredState(stopped=frozenset({GREETER})),
    Request("w-1", "main", 7),
    Grant(run=RUN, task=TASK, at=AT),
    Grant(run=RUN, task=UNREADABLE, at=AT),
    Claims(grants=(Grant(run=RUN, task=TASK, at=AT),), next_due_seconds=0.25),
    Held("task-1", "greeter", 3),
    Renewals(lost=frozenset({("task-1", "greeter")})),
    Finish(task_id="task-1", agent="greeter", fence=3, decision=End(state=RunState.DEAD, error=ERROR)),
    Finish(task_id="task-1", agent="greeter", fence=3, decision=RetryAfter(seconds=1.5)),
    Finish(task_id="task-1", agent="greeter", fence=3, decision=Wait(question="ok?", seconds=60.0)),
    TaskRecord.of(UNREADABLE, created_at=AT, agents=("greeter",), runs=(RUN,)),
    TaskResult(
        task_id="task-1",
        topic="greet.user",
        agent=None,
        status=Status.SUCCEEDED,
        result={"greeter": [1, None]},
        created_at=AT,
        runs=(TaskResult(task_id="task-1", topic="greet.user", agent="greeter", status=Status.QUEUED, created_at=AT),),
    ),
    Changes(runs=(RUN,), tasks=(TASK, UNREADABLE), metrics={GREETER: METRICS}, tombstones=(("task-1", ""),)),
    Instant(AT, 12.5),
    Receipt(task_id="task-1", confirmation=Confirmation.UNKNOWN, reason="timed out"),
    BusCapabilities(name="memory"),
    Depth(topic="greet.user", agent=None, waiting=3),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_any_value_comes_back_equal(value):
    """Loading is the inverse of dumping, unions, keys and nested values included."""
    assert CODEC.load(CODEC.dump(value), type(value)) == value


@pytest.mark.parametrize("name", KEPT)
def test_golden_bytes_load_and_are_what_is_dumped(name):
    """What a store holds is still the same value, and is written to the letter as it was."""
    golden = (GOLDEN / name).read_bytes()
    assert CODEC.load(golden, type(KEPT[name])) == KEPT[name]
    assert CODEC.dump(KEPT[name]) == golden


def test_tuples_of_values_come_back():
    """A run's errors are kept as one array."""
    errors = (ERROR, AttemptError(type="X", message="y"))
    assert CODEC.load(CODEC.dump(errors), tuple[AttemptError, ...]) == errors
    assert CODEC.load(CODEC.dump((GREETER,)), tuple[Subscription, ...]) == (GREETER,)


def test_a_task_inside_a_value_has_its_wire_form():
    """There is one form of a task."""
    stored = json.loads(CODEC.dump(Grant(run=RUN, task=TASK, at=AT)))
    assert stored["task"] == json.loads(CODEC.encode_task(TASK))


def test_unknown_keys_are_passed_over_and_missing_ones_default():
    """Older and newer versions read one another's values."""
    raw = b'{"type":"E","message":"m","colour":"red"}'
    assert CODEC.load(raw, AttemptError) == AttemptError(type="E", message="m")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", AttemptError),
        (b"[]", AttemptError),
        (b'{"type":"E"}', AttemptError),
        (b'{"type":"E","message":"m","kind":"odd"}', AttemptError),
        (b'{"type":"E","message":"m","at":"2026-01-01T00:00:00"}', AttemptError),
        (b'"no-slash"', Subscription),
        (b'"a/b/c"', Subscription),
        (b'"a b/c"', Subscription),
        (b"5", Subscription),
        (b'{"task_id":"t","topic":"t","raw":"%%","reason":""}', Unreadable),
        (b'{"schema":1}', Task),
        (b"null", tuple[AttemptError, ...]),
    ],
)
def test_bytes_that_are_no_such_value_are_a_value_error(raw, kind):
    """Whatever is wrong with stored bytes, the caller meets one error."""
    with pytest.raises(ValueError, match="not a stored"):
        CODEC.load(raw, kind)
