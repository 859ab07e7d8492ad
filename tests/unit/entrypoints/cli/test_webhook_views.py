"""Webhooks and metrics on terminals of several widths."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from omnidaemon.app.queries import WebhookStatus
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus, SendAttempt
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.cli.fleet_views import metrics_table
from omnidaemon.entrypoints.cli.screen import PlainScreen
from omnidaemon.entrypoints.cli.terminal import TerminalScreen
from omnidaemon.entrypoints.cli.webhook_views import webhooks_views

NOW = datetime(2030, 1, 1, tzinfo=UTC)
REASON = "10 attempts failed over 3 d; the last: cannot connect to hooks.example.org:443 (connection refused)"
GIVEN_UP = WebhookStatus(
    webhook_id=f"webhook-{'a' * 32}",
    kind=NotificationKind.WEBHOOK,
    target="https://hooks.example.org/a/long/way/down",
    status=OutboxStatus.FAILED,
    reason=REASON,
    task_id="0" * 36,
    topic="bill.split",
    agent="splitter",
    task_status=Status.SUCCEEDED,
    created_at=NOW,
    next_attempt_at=None,
    settled_at=NOW,
    attempts=(SendAttempt(error=REASON, seconds=0.2, attempt=1, at=NOW + timedelta(seconds=1)),),
)


def shown_on(monkeypatch, columns, *views):
    """The lines that a terminal as wide as this shows."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        TerminalScreen().show({}, *views)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("columns", [80, 100, 110, 200])
def test_a_webhook_is_one_line_on_every_terminal(monkeypatch, columns):
    """Its id and its status in one piece, and as much of the reason as there is room for."""
    other = attrs.evolve(GIVEN_UP, webhook_id=f"webhook-{'b' * 32}")
    lines = shown_on(monkeypatch, columns, *webhooks_views([GIVEN_UP, other]))
    for each in (GIVEN_UP, other):
        rows = [line for line in lines if each.webhook_id in line]
        assert len(rows) == 2  # its own, and that of its attempt
        assert "failed" in rows[0]
        assert "10 attempts" in rows[0]
    assert len(lines) == 6 + 7  # frames and heads of a line each, and a title


def test_one_alone_is_a_card_with_the_whole_reason(monkeypatch):
    """On a terminal; a pipe gets the same rows whatever their number."""
    lines = shown_on(monkeypatch, 120, *webhooks_views([GIVEN_UP]))
    assert any(REASON in line for line in lines)
    assert any(GIVEN_UP.webhook_id in line for line in lines)
    assert any("https://hooks.example.org/a/…" in line for line in lines)


def test_a_pipe_gets_rows_whatever_their_number(capsys):
    """With the whole reason."""
    PlainScreen().show({}, *webhooks_views([GIVEN_UP]))
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.startswith("ID\tKIND\tSTATUS\t")
    assert row.endswith(f"\t{REASON}")


def test_metrics_keep_their_heads_whole_on_80_columns(monkeypatch):
    """Those that say least give way."""
    busy = Metrics(
        tasks_received=12000,
        tasks_processed=11000,
        tasks_failed=300,
        tasks_retried=200,
        tasks_dead_lettered=100,
        tasks_cancelled=3,
        tasks_crashed=2,
        attempts_timed=11000,
        seconds_sum=99.0,
    )
    lines = shown_on(monkeypatch, 80, metrics_table({Subscription("document.uploaded", "summariser"): busy}))
    assert len(lines) == 5
    for head in ("topic", "agent", "processed", "failed", "dead_lettered"):
        assert head in lines[1]


def test_a_p95_is_told_as_the_bound_that_it_is(monkeypatch, capsys):
    """For people; a pipe has the number. It may exceed the longest attempt."""
    slow = Metrics(tasks_received=1, tasks_processed=1, attempts_timed=1, seconds_sum=6.0, timings=((26, 1),))
    table = metrics_table({Subscription("t", "a"): slow})
    assert "≤ 8.2 s" in shown_on(monkeypatch, 100, table)[3]
    PlainScreen().show({}, table)
    assert capsys.readouterr().out.endswith("\t6\t8.192\n")
