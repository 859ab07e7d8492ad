"""What people and programs get to see of each thing, as JSON-able objects: one shape, whoever prints or serves it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from omnidaemon.app import result_shape
from omnidaemon.app.control import Purged
from omnidaemon.app.eraser import Erased
from omnidaemon.app.queries import AgentStatus, Health, ResultPage, TaskDetails, WebhookPage, WebhookStatus
from omnidaemon.bootstrap.settings import Shown
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.metrics import Metrics, bucket_seconds
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.webhook_url import shown_webhook
from omnidaemon.entrypoints.dead_letters import BulkResult
from omnidaemon.entrypoints.diagnosis import Finding, Severity
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.ports.bus import Depth

Shape = dict[str, Any]
"""A JSON object. Times are ISO 8601 with their zone, durations seconds, names those of the Python attributes."""


task_result, attempt_error, moment = result_shape.task_result, result_shape.attempt_error, result_shape.moment

# --- tasks ------------------------------------------------------------------------------------------------------------


def receipt(told: PublishReceipt) -> Shape:
    """The answer to a publication; of a task that was published before, with when."""
    since = {} if told.known_since is None else {"known_since": moment(told.known_since)}
    return {"task_id": told.task_id, "status": told.status.value, **since}


def task_page(page: ResultPage) -> Shape:
    """A page of tasks, and the cursor for the next one, null at the end."""
    return {"tasks": [task_result(result) for result in page.results], "cursor": page.cursor}


def task_details(details: TaskDetails) -> Shape:
    """A task with its payload, the error of every attempt, and its history.

    `unreadable` is null, or says why the task could not be decoded and holds its bytes in base64.
    """
    task, unreadable = details.task, details.unreadable
    return {
        **task_result(details.result),
        "payload": details.payload,
        "headers": dict(task.headers) if task else {},
        "due_at": moment(task.due_at) if task else None,
        "correlation_id": task.correlation_id if task else None,
        "causation_id": task.causation_id if task else None,
        "idempotency_key": task.idempotency_key if task else None,
        "webhook": shown_webhook(task.webhook) if task and task.webhook else None,
        "reply_to": task.reply_to if task else None,
        "unreadable": unreadable
        and {"reason": unreadable.reason, "raw_base64": base64.b64encode(unreadable.raw).decode()},
        "is_cancel_requested": details.is_cancel_requested,
        "errors": [{"agent": agent, **attempt_error(error)} for agent, error in details.errors],
        "events": [journal_event(event) for event in details.events],
    }


def journal_event(event: JournalEvent) -> Shape:
    """One line of the journal."""
    return {
        "kind": event.kind.value,
        "task_id": event.task_id,
        "topic": event.topic,
        "agent": event.agent,
        "attempt": event.attempt,
        "detail": event.detail,
        "at": moment(event.at),
        "position": event.position,
    }


def bulk_result(result: BulkResult) -> Shape:
    """What was done to dead letters: their tasks, their runs one by one, and those that had changed meanwhile. `cursor`
    is where to go on with the rest of all, null when there is none."""
    return {
        "task_ids": list(dict.fromkeys(run.task_id for run in result.done)),
        "runs": [_dead_run(run) for run in result.done],
        "failed": [{**_dead_run(failed.run), **failure(failed.error)} for failed in result.failed],
        "cursor": result.cursor,
    }


def _dead_run(run: TaskResult) -> Shape:
    return {"task_id": run.task_id, "agent": run.agent}


# --- what ended runs tell ---------------------------------------------------------------------------------------------


def webhook(status: WebhookStatus) -> Shape:
    """A webhook or a reply on its way, with each attempt. `next_attempt_at` is null once it is settled."""
    return {
        "id": status.webhook_id,
        "kind": status.kind.value,
        "target": shown_target(status),
        "status": status.status.value,
        "reason": status.reason,
        "task_id": status.task_id,
        "topic": status.topic,
        "agent": status.agent,
        "task_status": status.task_status.value,
        "created_at": moment(status.created_at),
        "next_attempt_at": moment(status.next_attempt_at),
        "settled_at": moment(status.settled_at),
        "attempts": [
            {
                "attempt": line.attempt,
                "at": moment(line.at),
                "status_code": line.status_code,
                "error": line.error,
                "duration_seconds": line.seconds,
            }
            for line in status.attempts
        ],
    }


def shown_target(status: WebhookStatus) -> str:
    """A topic, or as much of a URL as may be seen."""
    return shown_webhook(status.target) if status.kind is NotificationKind.WEBHOOK else status.target


def webhook_page(page: WebhookPage) -> Shape:
    """A page of webhooks and replies, and the cursor for the next one, null at the end."""
    return {"webhooks": [webhook(status) for status in page.webhooks], "cursor": page.cursor}


def redelivered(webhook_id: str) -> Shape:
    """A webhook or a reply that is due anew."""
    return {"id": webhook_id, "status": OutboxStatus.PENDING.value}


# --- agents, workers, the system --------------------------------------------------------------------------------------


def agent(status: AgentStatus) -> Shape:
    """An agent. `waiting` is null for a bus that cannot tell."""
    return {
        "topic": status.topic,
        "name": status.name,
        "status": status.status,
        "description": status.description,
        "tools": list(status.tools),
        "workers": status.workers,
        "when_stopped": status.when_stopped,
        "concurrency": status.concurrency,
        "waiting": status.waiting,
        "counts": dict(status.counts),
    }


def worker(record: WorkerRecord) -> Shape:
    """A worker and the agents that it runs."""
    report = record.report
    return {
        "id": report.incarnation,
        "status": worker_status(record),
        "host": report.host,
        "pid": report.pid,
        "version": report.version,
        "started_at": moment(report.started_at),
        "seen_at": moment(record.seen_at),
        "running": record.running,
        "agents": [{"topic": own.topic, "name": own.agent} for own in report.subscriptions],
    }


def worker_status(record: WorkerRecord) -> str:
    """`lost` when nothing was heard of it for too long, else `draining` or `alive`."""
    if not record.is_alive:
        return "lost"
    return "draining" if record.report.is_draining else "alive"


def depth(waiting: Depth) -> Shape:
    """What waits on the bus for one agent, or on a topic that has none yet."""
    return {"topic": waiting.topic, "agent": waiting.agent, "waiting": waiting.waiting, "held": waiting.held}


def purged(deliveries: int) -> Shape:
    """How many deliveries were dropped."""
    return {"purged": deliveries}


def erased(namespace: str, was: Erased) -> Shape:
    """What a namespace held."""
    return {"namespace": namespace, "agents": was.agents, "runs": dict(was.runs), "waiting": was.waiting}


def purge_step(step: Purged) -> Shape:
    """How many deliveries a step of purging has dropped, and the cursor for the next one, null after the last."""
    return {**purged(step.deliveries), "cursor": step.cursor}


def health(state: Health) -> Shape:
    """Whether it can work, and what a person should know."""
    return {
        "status": state.status,
        "bus": state.bus,
        "store": state.store,
        "workers": state.workers,
        "agents": state.agents,
        "notes": list(state.notes),
    }


def metrics(done: Mapping[Subscription, Metrics]) -> Shape:
    """Topic → agent → counts and times."""
    topics: Shape = {}
    for subscription, counted in done.items():
        topics.setdefault(subscription.topic, {})[subscription.agent] = _counted(counted)
    return topics


def _counted(counted: Metrics) -> Shape:
    return {
        "tasks_received": counted.tasks_received,
        "tasks_processed": counted.tasks_processed,
        "tasks_failed": counted.tasks_failed,
        "tasks_skipped": counted.tasks_skipped,
        "tasks_retried": counted.tasks_retried,
        "tasks_dead_lettered": counted.tasks_dead_lettered,
        "tasks_cancelled": counted.tasks_cancelled,
        "tasks_crashed": counted.tasks_crashed,
        "avg_processing_time_sec": counted.avg_processing_time_sec,
        "p95_processing_time_sec": counted.quantile(0.95),
        "attempts_timed": counted.attempts_timed,
        "seconds_sum": counted.seconds_sum,
        "timings": [{"seconds": bucket_seconds(bucket), "attempts": many} for bucket, many in counted.timings],
    }


def settings(shown: Iterable[Shown]) -> Shape:
    """Name of the environment variable → value, without secrets, and where it came from."""
    return {setting.name: {"value": setting.value, "origin": setting.origin} for setting in shown}


def checkup(findings: Sequence[Finding]) -> Shape:
    """What was found; `ok` unless something is wrong."""
    return {
        "ok": all(finding.severity is not Severity.WRONG for finding in findings),
        "findings": [attrs.asdict(finding) for finding in findings],
    }


# --- beside them ------------------------------------------------------------------------------------------------------


def failure(error: BaseException, hint: str = "") -> Shape:
    """An error; `hint` is what to do about it, null where there is nothing to say beyond the message."""
    return {"error": {"type": type(error).__name__, "message": str(error), "hint": hint or None}}
