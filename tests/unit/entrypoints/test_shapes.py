"""The JSON-able objects that people and programs get to see."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest

from omnidaemon.app.queries import Health, ResultPage, TaskDetails, WebhookPage, WebhookStatus
from omnidaemon.domain.agent import WorkerRecord, WorkerReport
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import notifications_of
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState, Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.entrypoints import parsing, shapes
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.ports.bus import Depth
from tests.unit.entrypoints.samples import IDLE_AGENT

AT = datetime(2030, 1, 1, tzinfo=UTC)
ISO = "2030-01-01T00:00:00+00:00"
GREETER = Subscription("greet", "greeter")
ERROR = AttemptError(type="ValueError", message="bad", traceback="Traceback", attempt=1, at=AT)
ERROR_SHAPE = {
    "type": "ValueError",
    "message": "bad",
    "kind": "error",
    "traceback": "Traceback",
    "attempt": 1,
    "at": ISO,
}


def dead_result():
    """The result of a task whose only run died."""
    run = TaskResult(
        task_id="t1", topic="greet", agent="greeter", status=Status.DEAD, error=ERROR, attempts=1, created_at=AT
    )
    return TaskResult(
        task_id="t1",
        topic="greet",
        agent="greeter",
        status=Status.DEAD,
        error=ERROR,
        attempts=1,
        created_at=AT,
        finished_at=AT,
        duration_seconds=0.5,
        next_attempt_at=None,
        runs=(run,),
    )


def details(stored):
    """Everything about a task with one dead run, as the queries give it."""
    event = JournalEvent(
        kind=EventKind.DEAD, task_id="t1", topic="greet", agent="greeter", at=AT, attempt=1, position=7
    )
    return TaskDetails(
        result=dead_result(),
        payload={"a": 1},
        task=stored if isinstance(stored, Task) else None,
        unreadable=stored if isinstance(stored, Unreadable) else None,
        errors=(("greeter", ERROR), ("greeter", ERROR)),
        events=(event,),
    )


def test_a_receipt_tells_the_id_and_how_the_task_stands():
    new = PublishReceipt(task_id="t1", status=Status.QUEUED)
    known = PublishReceipt(task_id="t1", status=Status.SUCCEEDED, known_since=AT)
    assert shapes.receipt(new) == {"task_id": "t1", "status": "queued"}
    assert shapes.receipt(known) == {"task_id": "t1", "status": "succeeded", "known_since": ISO}
    assert [parsing.receipt(shapes.receipt(each)) for each in (new, known)] == [new, known]


def test_a_task_result_has_all_of_its_attributes():
    """Times are ISO 8601, the result is its decoded value, and each agent has an entry in `runs`."""
    shape = shapes.task_result(dead_result())
    runs = shape.pop("runs")
    assert shape == {
        "task_id": "t1",
        "topic": "greet",
        "agent": "greeter",
        "status": "dead",
        "result": None,
        "error": ERROR_SHAPE,
        "attempts": 1,
        "created_at": ISO,
        "started_at": None,
        "finished_at": ISO,
        "duration_seconds": 0.5,
        "next_attempt_at": None,
    }
    assert [run["agent"] for run in runs] == ["greeter"]
    assert "runs" not in runs[0]


def test_a_page_names_the_next_one():
    """The cursor is null at the end."""
    page = shapes.task_page(ResultPage(results=(dead_result(),), cursor=None))
    assert page["cursor"] is None
    assert [task["task_id"] for task in page["tasks"]] == ["t1"]


def test_details_hold_payload_errors_and_history():
    """The error of every attempt, not the last alone, with its agent; and the journal."""
    task = Task(task_id="t1", topic="greet", payload=b"{}", created_at=AT, headers={"a": "b"}, due_at=AT)
    shape = shapes.task_details(details(task))
    assert shape["payload"] == {"a": 1}
    assert shape["headers"] == {"a": "b"}
    assert shape["due_at"] == ISO
    assert shape["unreadable"] is None
    assert shape["errors"] == [{"agent": "greeter", **ERROR_SHAPE}] * 2
    assert [(event["kind"], event["at"], event["position"]) for event in shape["events"]] == [("dead", ISO, 7)]
    json.dumps(shape)


def test_an_unreadable_task_keeps_its_bytes():
    """What could not be decoded is there in base64, with the reason."""
    shape = shapes.task_details(details(Unreadable(task_id="t1", topic="greet", raw=b"\xff", reason="garbage")))
    assert shape["unreadable"] == {"reason": "garbage", "raw_base64": "/w=="}
    json.dumps(shape)


def test_an_agent_is_told_as_the_registry_knows_it():
    """All attributes, as JSON lists and objects."""
    status = attrs.evolve(IDLE_AGENT, description="greets", tools=("search",), waiting=None, counts={"dead": 2})
    assert shapes.agent(status) == {
        "topic": "greet.user",
        "name": "greeter",
        "status": "running",
        "description": "greets",
        "tools": ["search"],
        "workers": 1,
        "when_stopped": "hold",
        "concurrency": 100,
        "waiting": None,
        "counts": {"dead": 2},
    }


@pytest.mark.parametrize(
    ("is_alive", "is_draining", "status"),
    [(True, False, "alive"), (True, True, "draining"), (False, True, "lost"), (False, False, "lost")],
)
def test_a_worker_has_one_status(is_alive, is_draining, status):
    """Silence outweighs what the last heartbeat said, also of how many runs it executes."""
    report = WorkerReport(
        incarnation="w1", host="h", pid=7, started_at=AT, subscriptions=(GREETER,), running=2, is_draining=is_draining
    )
    shape = shapes.worker(WorkerRecord(report=report, seen_at=AT, is_alive=is_alive))
    assert shape["status"] == status
    assert shape["running"] == (2 if is_alive else None)
    assert shape["agents"] == [{"topic": "greet", "name": "greeter"}]
    assert (shape["started_at"], shape["seen_at"]) == (ISO, ISO)


def test_metrics_are_kept_by_topic_and_agent():
    """The names are those of the original README."""
    done = {
        GREETER: Metrics(tasks_received=2, attempts_timed=2, seconds_sum=3.0),
        Subscription("greet", "other"): Metrics(),
    }
    shape = shapes.metrics(done)
    assert set(shape["greet"]) == {"greeter", "other"}
    assert shape["greet"]["greeter"]["tasks_received"] == 2
    assert shape["greet"]["greeter"]["avg_processing_time_sec"] == 1.5
    assert {f"tasks_{name}" for name in ("received", "processed", "failed", "skipped")} <= set(shape["greet"]["other"])


def test_the_rest_is_told_as_it_is():
    """Health, depths and errors."""
    assert shapes.health(Health(status="ok", bus="b", store="s", workers=1, agents=2, notes=("n",)))["notes"] == ["n"]
    assert shapes.depth(Depth(topic="greet", agent=None, waiting=3))["agent"] is None
    assert shapes.failure(TaskNotFound("t1"))["error"]["type"] == "TaskNotFound"


def test_a_webhook_shows_each_attempt_and_no_secret():
    """`omni webhook list --json`; of the target the beginning."""
    address = ReturnAddress(created_at=AT, webhook="https://example.org/hook?token=s3cret&a=1")
    run = Run(task_id="t1", subscription=GREETER, state=RunState.DEAD, queued_at=AT, return_address=address)
    (told,) = notifications_of(run, AT)
    entry = attrs.evolve(
        OutboxEntry.of(told, 1),
        status=OutboxStatus.FAILED,
        due_at=None,
        settled_at=AT,
        reason="why",
        log=(SendAttempt(status_code=500, seconds=0.5, attempt=1, at=AT),),
    )
    shape = shapes.webhook_page(WebhookPage(webhooks=(WebhookStatus.of(entry),), cursor="1"))
    assert shape == {
        "webhooks": [
            {
                "id": told.notification_id,
                "kind": "webhook",
                "target": "https://example.org/hook?…",
                "status": "failed",
                "reason": "why",
                "task_id": "t1",
                "topic": "greet",
                "agent": "greeter",
                "task_status": "dead",
                "created_at": ISO,
                "next_attempt_at": None,
                "settled_at": ISO,
                "attempts": [{"attempt": 1, "at": ISO, "status_code": 500, "error": None, "duration_seconds": 0.5}],
            }
        ],
        "cursor": "1",
    }
    assert json.loads(json.dumps(shape)) == shape
