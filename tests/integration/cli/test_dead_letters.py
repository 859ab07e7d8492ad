"""Dead letters from the command line."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy


def published_dead(omni, number=1):
    """The ids of so many dead tasks."""
    return [omni.json("task", "publish", "fails", "1", "--wait", code=1)["task_id"] for _ in range(number)]


def test_a_dead_letter_is_listed_shown_requeued_and_purged(omni):
    """With the error of every attempt and its traceback; requeue and purge name what they did."""
    omni.worker()
    first, second = published_dead(omni, 2)

    listed = omni.json("dlq", "list")
    assert {task["task_id"] for task in listed["tasks"]} == {first, second}
    assert listed["cursor"] is None
    assert omni.json("bus", "dlq", "fails") == omni.json("dlq", "list", "fails") == listed
    for known in (("dlq", "list", "greet.user"), ("task", "list", "--agent", "greeter")):
        nothing = omni(*known)
        assert (nothing.returncode, nothing.stdout) == (0, "")
        assert "warning" not in nothing.stderr
    for line in ("dlq list fail", "bus dlq fail", "task list --topic fail", "webhook list --topic fail"):
        mistyped = omni(*line.split())
        assert (mistyped.returncode, mistyped.stdout) == (0, "")
        assert "warning: no agent listens to fail; did you mean fails?\n" in mistyped.stderr
    assert "no agent is called failin; did you mean failing?" in omni("task", "list", "--agent", "failin").stderr
    assert omni.json("dlq", "list", "fail") == {"tasks": [], "cursor": None}

    shown = omni.json("dlq", "show", "fails", first)
    assert shown["payload"] == 1
    assert [(error["attempt"], error["type"]) for error in shown["errors"]] == [(1, "ValueError"), (2, "ValueError")]
    assert all("raise ValueError" in error["traceback"] for error in shown["errors"])
    assert "raise ValueError" in omni.terminal("dlq", "show", "fails", first).shown
    for command in (["dlq", "show", "fails", first], ["task", "show", first]):
        piped = omni(*command).stdout
        for attempt in ("1", "2"):
            assert f"\n\nagent\tfailing\nattempt\t{attempt}\nkind\terror\nat\t" in piped
        assert piped.count("\nerror\tValueError: no [red]good[/red]\ntraceback\tTraceback") == 2
        assert piped.count('\ntraceback\t    raise ValueError("') == 2
    started = [event["attempt"] for event in shown["events"] if event["kind"] in {"started", "retried", "dead"}]
    assert started == [1, 1, 2, 2]

    requeued = omni.json("dlq", "requeue", "fails", first)
    assert requeued == {"requeued": [{"task_id": first, "agent": "failing"}], "failed": []}
    assert omni("task", "result", first, "--wait").returncode == 1
    assert [event["kind"] for event in omni.json("task", "show", first)["events"]].count("dead") == 2

    assert f"purged {second} of failing\n" in omni("dlq", "purge", "fails", second).stdout
    assert omni("task", "result", second).returncode == 3
    refused = omni("dlq", "purge", "fails", "--all")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "this would remove every dead letter of fails for good: give --yes" in refused.stderr
    purged = omni.json("dlq", "purge", "fails", "--all", "--yes")
    assert purged == {"purged": [{"task_id": first, "agent": "failing"}], "failed": []}
    assert omni("dlq", "list").stdout == ""
    assert "nothing to be purged" in omni("dlq", "purge", "fails", "--all", "--yes").stdout
    for line in ("dlq purge fail --all --yes", "dlq requeue fail --all", "bus purge fail --yes"):
        mistyped = omni(*line.split())
        assert (mistyped.returncode, mistyped.stdout) == (3, "")
        assert "no agent listens to fail; did you mean fails?" in mistyped.stderr


def test_nothing_is_touched_when_one_id_is_wrong(omni):
    """All ids are looked up before any is requeued or purged."""
    omni.worker()
    (dead,) = published_dead(omni)
    alive = omni.json("task", "publish", "greet.user", '{"name": "A"}', "--wait")["task_id"]
    for wrong in (("greet.user", dead), ("fails", alive), ("fails", "nope")):
        assert omni("dlq", "purge", wrong[0], dead, wrong[1]).returncode == 3
    assert omni.json("task", "result", dead)["status"] == "dead"


def test_what_another_agent_made_of_it_stays(omni):
    """Purging a dead letter removes the run that died, not the one that succeeded."""
    omni.worker(
        content="""
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("two", name="good")
async def good(payload):
    return "kept"


@sdk.agent("two", name="bad", policy=DeliveryPolicy(max_attempts=1))
async def bad(payload):
    raise ValueError
"""
    )
    task_id = omni.json("task", "publish", "two", "1", "--wait", code=1)["task_id"]
    whole, bad, good = omni("task", "result", task_id).stdout.split("\n\n")
    assert "status\tdead\n" in whole
    assert "agents\tbad, good" in whole
    assert "agent\tbad\nstatus\tdead\n" in bad
    assert "agent\tgood\nstatus\tsucceeded\n" in good
    assert "\ntook_seconds\t" in good
    assert omni.json("dlq", "purge", "two", "--all", "--yes")["purged"] == [{"task_id": task_id, "agent": "bad"}]
    assert omni.json("task", "result", task_id, "--agent", "good")["result"] == "kept"
    assert omni("task", "result", task_id, "--agent", "nobody").returncode == 3
