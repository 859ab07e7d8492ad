"""`omni bus watch`: what happens, as it happens."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess

import pytest

from tests.integration.programs import OMNI

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy


def events_of(running):
    """What it has told so far with --json, one object a line."""
    return [json.loads(line) for line in running.said.splitlines() if line.startswith("{")]


def test_what_happens_is_shown_as_it_happens(omni):
    """Of the topics that match; a line each, in order. Ctrl-C ends it, with how to go on; and that goes on there."""
    omni.worker()
    watching = omni.start("bus", "watch", "gr*", "--json")
    watching.until_said(r"watching gr\*")
    omni("task", "publish", "echo", "1", "--wait")
    task_id = omni.json("task", "publish", "greet.user", '{"name": "A"}', "--wait")["task_id"]
    told = omni.until(lambda: len(found := events_of(watching)) == 3 and found)
    assert sorted(event["kind"] for event in told) == ["published", "started", "succeeded"]
    assert {(event["topic"], event["task_id"]) for event in told} == {("greet.user", task_id)}
    assert [event["position"] for event in told] == sorted(event["position"] for event in told)
    watching.send(signal.SIGINT)
    assert watching.wait() == 130
    *again, after = shlex.split(watching.said.splitlines()[-1].partition(": ")[2])
    assert again == ["omni", "bus", "watch", "gr*", "--after"]
    assert int(after) == told[-1]["position"]

    omni("task", "publish", "greet.user", '{"name": "B"}', "--wait")
    resumed = omni.start("bus", "watch", "gr*", "--after", after)
    resumed.until_said("\tsucceeded\t")
    head, *lines = [line.split("\t") for line in resumed.said.splitlines() if "\t" in line]
    assert head == ["POSITION", "AT", "EVENT", "TOPIC", "AGENT", "ATTEMPT", "TASK", "DETAIL"]
    assert all(int(line[0]) > int(after) for line in lines)
    assert sorted(line[2] for line in lines) == ["published", "started", "succeeded"]


def test_one_task_is_watched(omni):
    """From its beginning, by its id."""
    ids = [omni.json("task", "publish", "echo", str(number))["task_id"] for number in range(2)]
    watching = omni.start("bus", "watch", "--task", ids[1], "--after", "0", "--json")
    omni.until(lambda: events_of(watching))
    omni("task", "cancel", ids[0])
    omni("task", "cancel", ids[1])
    omni.until(lambda: len(events_of(watching)) == 2)
    assert [(event["kind"], event["task_id"]) for event in events_of(watching)] == [
        ("published", ids[1]),
        ("cancelled", ids[1]),
    ]


@pytest.mark.parametrize("after", [(), ("--after", "0")])
def test_an_unknown_task_is_not_watched(omni, after):
    """It is not found, instead of waited for in silence."""
    done = omni("bus", "watch", "--task", "nope", *after)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no task 'nope'" in done.stderr


def test_a_task_that_has_ended_is_said_to_have(omni):
    """Who watches it sees at once that there may be nothing more."""
    task_id = omni.json("task", "publish", "echo", "1")["task_id"]
    omni("task", "cancel", task_id)
    watching = omni.start("bus", "watch", "--task", task_id)
    omni.until(lambda: f"{task_id} is cancelled: more comes if it is requeued" in watching.said)
    assert f"watching task {task_id}; Ctrl-C ends it" in watching.said
    omni("task", "requeue", task_id)
    omni.until(lambda: "\trequeued\t" in watching.said)


def test_it_ends_with_who_reads_it(omni):
    """Also when nothing happens any more: a broken pipe is no matter."""
    omni("task", "publish", "echo", "1")
    command = f"{shlex.join(OMNI)} bus watch --after 0 | head -2"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=omni.folder,
        env=omni._environment(["bus"], {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 141
    assert done.stdout.splitlines()[1].split("\t")[2] == "published"
    assert done.stderr.splitlines() == ["watching all topics; Ctrl-C ends it"]
