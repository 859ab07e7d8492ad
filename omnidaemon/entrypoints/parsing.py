"""The shapes of `shapes`, parsed into the values that they were made of. Keys that are not known are passed over."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from omnidaemon.app.control import Purged
from omnidaemon.app.queries import AgentState, AgentStatus, Health, ResultPage, TaskDetails, WebhookPage, WebhookStatus
from omnidaemon.bootstrap.settings import Shown
from omnidaemon.domain.agent import WorkerRecord, WorkerReport
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics, bucket_of
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus, SendAttempt
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.entrypoints.diagnosis import Finding, Severity
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.entrypoints.shapes import Shape
from omnidaemon.ports.bus import Depth

# What has not the shape that it ought to have raises KeyError, TypeError or ValueError.


# --- tasks ------------------------------------------------------------------------------------------------------------


def receipt(shape: Shape) -> PublishReceipt:
    """The answer to a publication."""
    since = shape.get("known_since")
    return PublishReceipt(
        task_id=str(shape["task_id"]),
        status=Status(shape["status"]),
        known_since=None if since is None else datetime.fromisoformat(since),
    )


def task_result(shape: Shape) -> TaskResult:
    """A task as it stands."""
    return TaskResult(**_run(shape), runs=tuple(TaskResult(**_run(run)) for run in shape["runs"]))


def _run(shape: Shape) -> dict[str, Any]:
    return {
        "task_id": shape["task_id"],
        "topic": shape["topic"],
        "agent": shape["agent"],
        "status": Status(shape["status"]),
        "result": shape["result"],
        "error": None if shape["error"] is None else attempt_error(shape["error"]),
        "attempts": shape["attempts"],
        "created_at": datetime.fromisoformat(shape["created_at"]),
        "started_at": moment(shape["started_at"]),
        "finished_at": moment(shape["finished_at"]),
        "duration_seconds": shape["duration_seconds"],
        "next_attempt_at": moment(shape["next_attempt_at"]),
    }


def attempt_error(shape: Shape) -> AttemptError:
    """The error of one attempt."""
    return AttemptError(
        type=shape["type"],
        message=shape["message"],
        kind=ErrorKind(shape["kind"]),
        traceback=shape["traceback"],
        attempt=shape["attempt"],
        at=moment(shape["at"]),
    )


def task_page(shape: Shape) -> ResultPage:
    """A page of tasks."""
    return ResultPage(results=tuple(map(task_result, shape["tasks"])), cursor=shape["cursor"])


def task_details(shape: Shape) -> TaskDetails:
    """Everything about a task."""
    result = task_result(shape)
    return TaskDetails(
        result=result,
        payload=shape["payload"],
        task=None if shape["unreadable"] else _task(result, shape),
        unreadable=_unreadable(result, shape["unreadable"]) if shape["unreadable"] else None,
        errors=tuple((error["agent"], attempt_error(error)) for error in shape["errors"]),
        events=tuple(map(journal_event, shape["events"])),
        is_cancel_requested=shape["is_cancel_requested"],
    )


def _task(result: TaskResult, shape: Shape) -> Task:
    return Task(
        task_id=result.task_id,
        topic=result.topic,
        payload=json.dumps(shape["payload"], ensure_ascii=False, separators=(",", ":")).encode(),
        created_at=result.created_at,
        due_at=moment(shape["due_at"]),
        headers=shape["headers"],
        webhook=shape["webhook"],
        reply_to=shape["reply_to"],
        correlation_id=shape["correlation_id"],
        causation_id=shape["causation_id"],
        idempotency_key=shape["idempotency_key"],
    )


def _unreadable(result: TaskResult, shape: Shape) -> Unreadable:
    return Unreadable(
        task_id=result.task_id,
        topic=result.topic,
        raw=base64.b64decode(shape["raw_base64"], validate=True),
        reason=shape["reason"],
    )


def journal_event(shape: Shape) -> JournalEvent:
    """One line of the journal."""
    return JournalEvent(
        kind=EventKind(shape["kind"]),
        task_id=shape["task_id"],
        topic=shape["topic"],
        agent=shape["agent"],
        attempt=shape["attempt"],
        detail=shape["detail"],
        at=datetime.fromisoformat(shape["at"]),
        position=shape["position"],
    )


def webhook_page(shape: Shape) -> WebhookPage:
    """A page of webhooks and replies; of their URLs there is only the beginning."""
    return WebhookPage(webhooks=tuple(map(_webhook, shape["webhooks"])), cursor=shape["cursor"])


def _webhook(shape: Shape) -> WebhookStatus:
    return WebhookStatus(
        webhook_id=shape["id"],
        kind=NotificationKind(shape["kind"]),
        target=shape["target"],
        status=OutboxStatus(shape["status"]),
        reason=shape["reason"],
        task_id=shape["task_id"],
        topic=shape["topic"],
        agent=shape["agent"],
        task_status=Status(shape["task_status"]),
        created_at=datetime.fromisoformat(shape["created_at"]),
        next_attempt_at=moment(shape["next_attempt_at"]),
        settled_at=moment(shape["settled_at"]),
        attempts=tuple(map(_send_attempt, shape["attempts"])),
    )


def _send_attempt(shape: Shape) -> SendAttempt:
    return SendAttempt(
        status_code=shape["status_code"],
        error=shape["error"],
        seconds=shape["duration_seconds"],
        attempt=shape["attempt"],
        at=moment(shape["at"]),
    )


# --- agents, workers, the system --------------------------------------------------------------------------------------


def agent(shape: Shape) -> AgentStatus:
    """An agent."""
    return AgentStatus(
        topic=shape["topic"],
        name=shape["name"],
        status=AgentState(shape["status"]),
        description=shape["description"],
        tools=tuple(shape["tools"]),
        workers=shape["workers"],
        when_stopped=shape["when_stopped"],
        concurrency=shape["concurrency"],
        waiting=shape["waiting"],
        counts=dict(shape["counts"]),
    )


def worker(shape: Shape) -> WorkerRecord:
    """A worker. Of a lost one nothing says any more whether it was draining."""
    report = WorkerReport(
        incarnation=shape["id"],
        host=shape["host"],
        pid=shape["pid"],
        started_at=datetime.fromisoformat(shape["started_at"]),
        subscriptions=tuple(Subscription(own["topic"], own["name"]) for own in shape["agents"]),
        running=shape["running"] or 0,
        is_draining=shape["status"] == "draining",
        version=shape["version"],
    )
    seen_at = datetime.fromisoformat(shape["seen_at"])
    return WorkerRecord(report=report, seen_at=seen_at, is_alive=shape["status"] != "lost")


def depth(shape: Shape) -> Depth:
    """What waits on the bus."""
    return Depth(topic=shape["topic"], agent=shape["agent"], waiting=shape["waiting"], held=shape["held"])


def purge_step(shape: Shape) -> Purged:
    """What a step of purging has dropped."""
    return Purged(deliveries=int(shape["purged"]), cursor=shape["cursor"])


def health(shape: Shape) -> Health:
    """Whether it can work."""
    return Health(
        status=shape["status"],
        bus=shape["bus"],
        store=shape["store"],
        workers=shape["workers"],
        agents=shape["agents"],
        notes=tuple(shape["notes"]),
    )


def metrics(shape: Shape) -> dict[Subscription, Metrics]:
    """What each agent has done."""
    return {
        Subscription(topic, name): _counted(counted)
        for topic, agents in shape.items()
        for name, counted in agents.items()
    }


def _counted(shape: Shape) -> Metrics:
    counts = {name: count for name, count in shape.items() if name in _COUNTS}
    timings = ((bucket_of(timing["seconds"]), timing["attempts"]) for timing in shape["timings"])
    return Metrics(**counts, timings=tuple(timings))


_COUNTS = {name for name in Metrics.__annotations__ if name != "timings"}


def settings(shape: Shape) -> tuple[Shown, ...]:
    """Settings with their origins."""
    return tuple(Shown(name=name, value=told["value"], origin=told["origin"]) for name, told in shape.items())


def checkup(shape: Shape) -> list[Finding]:
    """What was found."""
    return [
        Finding(
            severity=Severity(found["severity"]), about=found["about"], found=found["found"], advice=found["advice"]
        )
        for found in shape["findings"]
    ]


def moment(text: str | None) -> datetime | None:
    """The time of an ISO 8601 text; None of None."""
    return None if text is None else datetime.fromisoformat(text)
