"""A task from the command line to its end, through a worker in another process."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

TASK_RESULT = {
    "task_id",
    "topic",
    "agent",
    "status",
    "result",
    "error",
    "attempts",
    "created_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "next_attempt_at",
    "runs",
}

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy


def test_the_greeting_is_seen_at_once(omni):
    """Piped, on a terminal and as JSON: exit 0, and the place told beside it."""
    omni.worker()
    piped = omni("task", "publish", "greet.user", '{"name": "Alice"}', "--wait")
    assert piped.returncode == 0
    assert 'result\t{"reply": "Hello, Alice!"}\n' in piped.stdout
    assert omni.place in piped.stderr

    seen = omni.terminal("task", "publish", "greet.user", '{"name": "Alice"}', "--wait")
    assert seen.returncode == 0
    assert "reply  Hello, Alice!" in seen.shown
    assert "╭" in seen.shown

    result = omni.json("task", "publish", "greet.user", '{"name": "Alice"}', "--wait")
    assert set(result) == TASK_RESULT
    assert result["result"] == {"reply": "Hello, Alice!"}
    assert result["status"] == "succeeded"
    assert datetime.fromisoformat(result["finished_at"]).tzinfo is not None
    assert [run["agent"] for run in result["runs"]] == ["greeter"]


def test_published_before_the_worker_it_is_run_afterwards(omni):
    """Publishing needs nobody to listen; a wait that was too short says how to look later."""
    waited = omni("task", "publish", "greet.user", '{"name": "Alice"}', "--wait", "--timeout", "50ms")
    assert (waited.returncode, waited.stdout) == (5, "")
    unheard = f"no agent listens to greet.user; looked in {omni.place}"
    assert f"is still queued after 50 ms: {unheard}" in waited.stderr
    assert "in the background" not in waited.stderr
    assert "omni task result " in waited.stderr
    task_id = waited.stderr.split("omni task result ")[1].strip()

    pending = omni("task", "result", task_id)
    assert pending.returncode == 0
    assert "status\tqueued\n" in pending.stdout

    omni.worker()
    done = omni("task", "result", task_id, "--wait")
    assert done.returncode == 0
    assert "Hello, Alice!" in done.stdout
    mistyped = omni("task", "publish", "greet.usr", "1")
    assert "warning: no agent listens to greet.usr; did you mean greet.user?" in mistyped.stderr


def test_a_run_that_is_being_stopped_is_not_deleted_yet(omni):
    """Its cancellation is under way, and that is what the refusal says."""
    gate = omni.folder / "gate"
    os.mkfifo(gate)
    omni.worker(
        content="""
from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("read")
def read(payload):
    print("begun", flush=True)
    return open(payload).read()
"""
    )
    task_id = omni.json("task", "publish", "read", json.dumps(str(gate)))["task_id"]
    omni.until(lambda: omni.json("task", "result", task_id)["status"] == "running")
    assert "told to stop it" in omni("task", "cancel", task_id).stdout
    refused = omni("task", "delete", task_id)
    assert refused.returncode == 1
    assert "told to stop it; delete it once it has" in refused.stderr
    gate.write_text("x")


def test_a_failure_is_told_without_its_escape_sequences(omni):
    """Exit 1, the error in words, and nothing of it reaches the terminal as a command or as markup."""
    omni.worker()
    dead = omni("task", "publish", "fails", "1", "--wait")
    assert dead.returncode == 1
    assert "error\tValueError: no [red]good[/red]\n" in dead.stdout

    shown = omni.terminal("task", "publish", "fails", "1", "--wait").shown
    assert "no [red]good[/red]" in shown
    assert "\x1b]" not in shown

    result = omni.json("task", "publish", "fails", "1", "--wait", code=1)
    assert result["error"]["message"] == "\x1b]0;title\x07no [red]good[/red]"
    assert result["error"]["traceback"]


def test_publishing_into_a_pipe_prints_the_id_alone(omni):
    """`id=$(omni task publish …)` works; as JSON there is the status too."""
    task_id = omni("task", "publish", "echo", "1").stdout.strip()
    assert omni.json("task", "result", task_id)["status"] == "queued"
    receipt = omni.json("task", "publish", "echo", "1")
    assert set(receipt) == {"task_id", "status"}
    assert receipt["status"] == "queued"


def test_a_delayed_task_is_scheduled_and_can_be_cancelled(omni):
    """By a pause or by a time; the cancelled one never runs, and a wait for it fails."""
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for option in (("--delay", "1h"), ("--due-at", at)):
        receipt = omni.json("task", "publish", "echo", "1", *option)
        assert receipt["status"] == "scheduled"
        task_id = receipt["task_id"]
        assert omni.json("task", "result", task_id)["status"] == "scheduled"
        due = omni.json("task", "result", task_id)["next_attempt_at"]
        assert due == omni.json("task", "show", task_id)["due_at"]
        assert due in omni("task", "list").stdout
        assert " · due in " in omni.terminal("task", "result", task_id).shown
        assert datetime.fromisoformat(omni.json("task", "show", task_id)["due_at"]) - datetime.now(UTC) < timedelta(
            hours=1
        )
        assert omni.json("task", "cancel", task_id) == {"task_id": task_id, "agent": None, "status": "cancelled"}
        assert omni("task", "cancel", task_id).returncode == 1
        assert omni("task", "result", task_id, "--wait").returncode == 1


def test_a_retry_is_told_while_it_is_waited_for_and_later(omni):
    """When it is tried again: a line for each change while somebody waits, in lists, on cards and in JSON."""
    omni.worker(
        content="""
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("fails", policy=DeliveryPolicy(max_attempts=3, backoff=240, jitter=0))
async def failing(payload):
    raise ValueError("not today")
"""
    )
    waited = omni("task", "publish", "fails", "1", "--wait", "--timeout", "4s")
    assert (waited.returncode, waited.stdout) == (5, ""), waited
    assert "\nattempt 1 failed: ValueError: not today\nagain in " in waited.stderr
    assert waited.stderr.count("attempt 1 failed") == 1
    task_id = waited.stderr.split("omni task result ")[1].strip()
    seen = omni.real_terminal("task", "result", task_id, "--wait", "--timeout", "4s").shown
    assert "attempt 1 failed: ValueError: not today\n" in seen
    assert "again in 3 min" in seen

    found = omni.json("task", "result", task_id)
    assert found["status"] == "retrying"
    due = found["next_attempt_at"]
    assert timedelta() < datetime.fromisoformat(due) - datetime.now(UTC) < timedelta(minutes=10)
    assert found["runs"][0]["next_attempt_at"] == due
    assert f"next attempt\t{due}\n" in omni("task", "result", task_id).stdout
    assert omni("task", "list").stdout.splitlines()[1].endswith(f"\t{due}")
    for command in ("result", "show"):
        assert "1 attempt · again in 3 min" in omni.terminal("task", command, task_id).shown
    assert "in 3 min" in omni.terminal("task", "list").shown


def test_attempts_that_fail_fast_are_told_too(omni):
    """Between two looks, and after the last one: the error of each, but for the one that is the answer's. A wait that
    begins afterwards tells of none."""
    omni.worker(
        content="""
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("fails", policy=DeliveryPolicy(max_attempts=4, backoff=0.01, jitter=0))
async def failing(payload):
    raise ValueError("not today")
"""
    )
    waited = omni("task", "publish", "fails", "1", "--wait")
    assert waited.returncode == 1
    told = [line for line in waited.stderr.splitlines() if "failed" in line]
    assert told == [f"attempt {number} failed: ValueError: not today" for number in (1, 2, 3)]
    task_id = waited.stdout.splitlines()[0].split("\t")[1]
    assert omni("task", "result", task_id, "--wait").stderr == ""


def test_payload_headers_and_key_arrive(omni):
    """From a file, from standard input, below zero; the same key gives the same task, and for another payload none."""
    (omni.folder / "payload.json").write_text('{"from": "file"}')
    task_id = omni.json(
        "task", "publish", "echo", "@payload.json", "--header", "a=1", "--header", "b=2", "--idempotency-key", "k"
    )["task_id"]
    shown = omni.json("task", "show", task_id)
    assert shown["payload"] == {"from": "file"}
    assert shown["headers"] == {"a": "1", "b": "2"}
    assert shown["idempotency_key"] == "k"
    assert [event["kind"] for event in shown["events"]] == ["published"]

    again = omni.json("task", "publish", "echo", "@payload.json", "--idempotency-key", "k")
    known = {"task_id": task_id, "known_since": shown["created_at"]}
    assert again == {**known, "status": "queued"}
    omni("task", "cancel", task_id)
    delayed = ("task", "publish", "echo", "@payload.json", "--idempotency-key", "k", "--delay", "10s")
    assert omni.json(*delayed) == {**known, "status": "cancelled"}
    assert "published before under this key, " in omni(*delayed).stderr
    seen = omni.terminal(*delayed).shown
    assert ": it is cancelled, and no other task was published" in seen
    assert f"{task_id} on echo is cancelled" in seen
    new = omni.terminal(*delayed[:4], "--idempotency-key", "another", "--delay", "10s").shown
    assert "on echo, due in 10 s" in new
    assert "before" not in new
    assert omni("task", "publish", "echo", "2", "--idempotency-key", "k").returncode == 1

    piped = omni("task", "publish", "echo", "-", "--json", stdin="[1]")
    assert omni.json("task", "show", json.loads(piped.stdout)["task_id"])["payload"] == [1]
    below = omni.json("task", "publish", "echo", "-5")
    assert omni.json("task", "show", below["task_id"])["payload"] == -5


def test_pages_of_tasks_hold_each_task_once(omni):
    """Newest first, the cursor leads on, and filters choose."""
    ids = [omni.json("task", "publish", "echo", str(number))["task_id"] for number in range(5)]
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = omni.json("task", "list", "--limit", "2", *cursor)
        seen += [task["task_id"] for task in page["tasks"]]
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    assert seen == ids[::-1]
    assert omni.json("task", "list", "--topic", "other") == {"tasks": [], "cursor": None}

    piped = omni("task", "list", "--limit", "2")
    assert piped.stdout.splitlines()[0].split("\t")[:3] == ["ID", "STATUS", "TOPIC"]
    assert len(piped.stdout.splitlines()) == 3
    assert "--cursor " in piped.stderr
    assert ids[4] in omni.terminal("task", "list", "--limit", "1").shown


def test_requeue_and_delete(omni):
    """An ended task runs again; a deleted one is forgotten."""
    omni.worker()
    task_id = omni.json("task", "publish", "fails", "1", "--wait", code=1)["task_id"]
    assert omni.json("task", "requeue", task_id)["task_id"] == task_id
    assert omni("task", "result", task_id, "--wait").returncode == 1
    assert omni.json("task", "delete", task_id) == {"task_id": task_id, "agent": None, "status": "deleted"}
    assert omni("task", "result", task_id).returncode == 3
