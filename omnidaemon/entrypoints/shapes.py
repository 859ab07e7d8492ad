"""What people and programs get to see of each thing, as JSON-able objects: one shape, whoever prints or serves it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from omnidaemon.app import result_shape
from omnidaemon.app.queries import AgentStatus, Health, ResultPage, TaskDetails
from omnidaemon.bootstrap.settings import Shown, without_secrets
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outbox import OutboxEntry
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.bus import Depth
from omnidaemon.ports.outbox import OutboxPage

Shape = dict[str, Any]
"""A JSON object. Times are ISO 8601 with their zone, durations seconds, names those of the Python attributes."""


task_result, attempt_error, moment = result_shape.task_result, result_shape.attempt_error, result_shape.moment

# --- tasks ------------------------------------------------------------------------------------------------------------


def receipt(task_id: str, *, is_delayed: bool) -> Shape:
    """The answer to a publication."""
    return {"task_id": task_id, "status": "scheduled" if is_delayed else "queued"}


def task_page(page: ResultPage) -> Shape:
    """A page of tasks, and the cursor for the next one, null at the end."""
    return {"tasks": [task_result(result) for result in page.results], "cursor": page.cursor}


def task_details(details: TaskDetails) -> Shape:
    """A task with its payload, the error of every attempt, and its history.

    `unreadable` is null, or says why the task could not be decoded and holds its bytes in base64.
    """
    task, stored = details.task, details.record.task
    unreadable = stored if isinstance(stored, Unreadable) else None
    return {
        **task_result(details.result),
        "payload": details.payload,
        "headers": dict(task.headers) if task else {},
        "due_at": moment(task.due_at) if task else None,
        "correlation_id": task.correlation_id if task else None,
        "causation_id": task.causation_id if task else None,
        "idempotency_key": task.idempotency_key if task else None,
        "webhook": without_secrets("webhook", task.webhook) if task and task.webhook else None,
        "reply_to": task.reply_to if task else None,
        "unreadable": unreadable
        and {"reason": unreadable.reason, "raw_base64": base64.b64encode(unreadable.raw).decode()},
        "errors": [
            {"agent": run.subscription.agent, **attempt_error(error)}
            for run in details.record.runs
            for error in run.errors
        ],
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


# --- what ended runs tell ---------------------------------------------------------------------------------------------


def webhook(entry: OutboxEntry) -> Shape:
    """A webhook or a reply on its way, with each attempt. `next_attempt_at` is null once it is settled."""
    told = entry.notification
    return {
        "id": told.notification_id,
        "kind": told.kind.value,
        "target": without_secrets("target", told.target),
        "status": entry.status.value,
        "reason": entry.reason,
        "task_id": told.task_id,
        "topic": told.topic,
        "agent": told.run.subscription.agent,
        "task_status": told.run.state.value,
        "created_at": moment(told.created_at),
        "next_attempt_at": moment(entry.due_at),
        "settled_at": moment(entry.settled_at),
        "attempts": [
            {
                "attempt": line.attempt,
                "at": moment(line.at),
                "status_code": line.status_code,
                "error": line.error,
                "duration_seconds": line.seconds,
            }
            for line in entry.log
        ],
    }


def webhook_page(page: OutboxPage) -> Shape:
    """A page of webhooks and replies, and the cursor for the next one, null at the end."""
    return {"webhooks": [webhook(entry) for entry in page.entries], "cursor": page.cursor}


# --- agents, workers, the whole ---------------------------------------------------------------------------------------


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
        "running": report.running,
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
    }


def settings(shown: Iterable[Shown]) -> Shape:
    """Name of the environment variable → value, without secrets, and where it came from."""
    return {setting.name: {"value": setting.value, "origin": setting.origin} for setting in shown}


# --- beside them ------------------------------------------------------------------------------------------------------


def failure(error: BaseException, hint: str = "") -> Shape:
    """An error; `hint` is what to do about it, null where there is nothing to say beyond the message."""
    return {"error": {"type": type(error).__name__, "message": str(error), "hint": hint or None}}
