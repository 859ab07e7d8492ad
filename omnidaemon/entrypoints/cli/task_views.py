"""How tasks look to a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from omnidaemon.app.queries import TaskDetails
from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task
from omnidaemon.domain.webhook_url import shown_webhook
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.values import json_text, readable, reason, summary
from omnidaemon.entrypoints.cli.views import Card, Cell, Table, View
from omnidaemon.entrypoints.dead_letters import dead_runs
from omnidaemon.entrypoints.time_texts import due_text, relative_time

_SIGNS = {Status.SUCCEEDED: "✓", Status.DEAD: "✗", Status.CANCELLED: "✗", Status.SKIPPED: "✗"}


def result_views(result: TaskResult) -> list[View]:
    """What a task came to: with several agents the whole, then a card for each of them."""
    return [_whole_card(result), *_run_cards(result)] if len(result.runs) > 1 else [_result_card(result)]


def _run_cards(result: TaskResult) -> list[Card]:
    return [_result_card(run) for run in result.runs] if len(result.runs) > 1 else [_result_card(result)]


def _whole_card(result: TaskResult) -> Card:
    """What several agents together came to: their own values and errors stand on their own cards."""
    card = _result_card(result)
    agents = ", ".join(run.agent or "" for run in result.runs)
    title = " · ".join((f"{_sign(result)} {result.status.value}", f"{len(result.runs)} agents: {agents}"))
    fields = tuple((label, cell) for label, cell in card.fields if label not in {"agent", "took"})
    return attrs.evolve(card, title=title, body=None, fields=(*fields, ("agents", views.plain(agents))))


def _result_card(result: TaskResult) -> Card:
    status = result.status.value
    fields = [
        ("task", views.plain(result.task_id)),
        ("topic", views.plain(result.topic)),
        ("agent", views.plain(result.agent)),
        ("status", views.status(status)),
        ("attempts", views.plain(result.attempts)),
        ("created", views.when(result.created_at)),
        ("took", views.lasting(result.duration_seconds)),
    ]
    if result.next_attempt_at is not None:
        fields.append(("next attempt", views.due(result.next_attempt_at)))
    now = datetime.now(UTC)
    facts = (result.topic, relative_time(result.created_at, now), _tried(result), next_attempt_text(result, now))
    return Card(
        title=" · ".join(filter(None, (f"{_sign(result)} {status}", result.agent, _took(result)))),
        style=views.STATUS_STYLES.get(status, "cyan"),
        body=_outcome(result),
        body_label="error" if result.error else "result",
        fields=tuple(fields),
        footer=f"{' · '.join(filter(None, facts))}\n{result.task_id}{_way_on(result)}",
    )


def next_attempt_text(result: TaskResult, now: datetime) -> str:
    """When what is scheduled or retrying comes: `due in 2 min 5 s`, `again in 12 s`, `due 3 s ago`; else ""."""
    at = result.next_attempt_at
    if at is None:
        return ""
    is_first = result.status is Status.SCHEDULED
    return f"{'due' if is_first or at < now else 'again'} {due_text(at, now)}"


def _way_on(result: TaskResult) -> str:
    """Where the traceback of each attempt is."""
    is_dead = result.status is Status.DEAD
    return f"\nhow it came to this: omni dlq show {result.topic} {result.task_id}" if is_dead else ""


def _sign(result: TaskResult) -> str:
    return _SIGNS.get(result.status, "…")


def _tried(result: TaskResult) -> str:
    return "1 attempt" if result.attempts == 1 else f"{result.attempts} attempts"


def _took(result: TaskResult) -> str:
    return "" if result.duration_seconds is None else duration_text(result.duration_seconds)


def _outcome(result: TaskResult) -> Cell | None:
    if result.error is not None:
        return Cell(text=result.error.headline, shown=result.error.headline, style="red")
    return readable(result.result) if result.status is Status.SUCCEEDED else None


def outcome_cell(result: TaskResult) -> Cell:
    """What it came to, in a line: its value, be that null, or its error; nothing while it has neither."""
    if result.error is not None:
        return reason(result.error.headline)
    has_none = result.status is Status.SUCCEEDED and result.result is None
    return Cell(text=json_text(None)) if has_none else summary(result.result)


def tasks_table(results: Sequence[TaskResult]) -> Table:
    """Tasks, newest first."""
    return Table(
        columns=("id", "status", "topic", "agent", "created", "attempts", "took", "outcome", "next"),
        rows=[_task_row(result) for result in results],
        empty="no tasks match",
        wide="outcome",
        spare=("attempts", "took", "agent", "created"),
        optional={"next": frozenset({""})},
    )


def _task_row(result: TaskResult) -> tuple[Cell, ...]:
    agents = result.agent or ", ".join(run.agent or "" for run in result.runs)
    return (
        views.plain(result.task_id),
        views.status(result.status.value),
        views.plain(result.topic),
        views.plain(agents),
        views.when(result.created_at),
        views.plain(result.attempts),
        views.lasting(result.duration_seconds),
        outcome_cell(result),
        views.due(result.next_attempt_at),
    )


def dead_letters_table(results: Sequence[TaskResult]) -> Table:
    """Dead letters: one row for each run that died."""
    dead = [run for result in results for run in dead_runs(result)]
    return Table(
        columns=("id", "topic", "agent", "attempts", "died", "error"),
        rows=[
            (
                views.plain(run.task_id),
                views.plain(run.topic),
                views.plain(run.agent),
                views.plain(run.attempts),
                views.when(run.finished_at),
                reason(run.error.headline if run.error else None),
            )
            for run in dead
        ],
        empty="no dead letters",
        wide="error",
        # The topic is part of the next command: omni dlq show TOPIC ID.
        spare=("attempts", "died", "agent"),
    )


def details_views(details: TaskDetails) -> list[View]:
    """Everything about a task: payload, runs, the error of each attempt, history."""
    task = details.task
    payload = Card(
        title=f"task {details.result.task_id}",
        body=readable(details.payload) if task else views.plain("not readable by this version; --json has its bytes"),
        body_label="payload",
        fields=(
            ("topic", views.plain(details.result.topic)),
            ("status", views.status(details.result.status.value)),
            ("created", views.exactly(details.result.created_at)),
            *(_given(task) if task else ()),
        ),
    )
    return [payload, *_run_cards(details.result), *_error_cards(details), _history(details)]


def _given(task: Task) -> list[tuple[str, Cell]]:
    """What its publisher gave the task beside topic and payload."""
    chain = None if task.correlation_id == task.task_id else task.correlation_id
    texts = {
        "correlation": chain,
        "causation": task.causation_id,
        "idempotency key": task.idempotency_key,
        "webhook": task.webhook and shown_webhook(task.webhook),
        "reply to": task.reply_to,
    }
    headers = {f"header {name}": value for name, value in task.headers.items()}
    given = [(label, views.plain(text)) for label, text in {**texts, **headers}.items() if text]
    return [("due", views.when(task.due_at)), *given] if task.due_at else given


def _error_cards(details: TaskDetails) -> list[View]:
    return [_error_card(agent, error) for agent, error in details.errors]


def _error_card(agent: str, error: AttemptError) -> Card:
    """One attempt's error. A person reads it at the end of its traceback, a program in a line of its own as well."""
    headline = Cell(text=error.headline, style="red")
    traced = error.traceback.rstrip()
    facts = (
        ("agent", views.plain(agent)),
        ("attempt", views.plain(error.attempt)),
        ("kind", views.plain(error.kind.value)),
        *((("at", views.exactly(error.at)),) if error.at else ()),
    )
    return Card(
        title=f"{agent}, attempt {error.attempt}: {error.kind.value}",
        style="red",
        body=Cell(text=traced, has_lines=True) if traced else headline,
        body_label="traceback" if traced else "error",
        fields=(*facts, ("error", headline)) if traced else facts,
        footer=views.exactly(error.at).for_people if error.at else "",
    )


def _history(details: TaskDetails) -> Table:
    return Table(
        columns=("at", "event", "agent", "attempt", "detail"),
        rows=[
            (
                views.exactly(event.at),
                views.plain(event.kind.value),
                views.plain(event.agent),
                views.plain(event.attempt or ""),
                summary(event.detail or None),
            )
            for event in details.events
        ],
        empty="no history",
        title="history",
        wide="detail",
        optional={"detail": frozenset({""})},
    )


def checked(details: TaskDetails | None, task_id: str) -> TaskDetails:
    """The details, or `TaskNotFound` when there are none."""
    if details is None:
        raise TaskNotFound(task_id)
    return details
