"""Agents, workers, the bus, metrics, health and the doctor from the command line."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy

SLOW = """
import asyncio
from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("slow")
async def slow(payload):
    await asyncio.sleep(payload)
"""


def test_an_agent_is_stopped_and_started_from_elsewhere(omni):
    """Stop and start answer the agent; a stopped one leaves tasks waiting, which the doctor notices."""
    omni.worker()
    agents = {agent["name"]: agent for agent in omni.json("agent", "list")}
    assert set(agents) == {"greeter", "failing", "echo"}
    assert agents["greeter"]["description"] == "Greets people."
    assert agents["greeter"]["status"] == "running"
    assert agents["greeter"]["workers"] == 1

    assert "workers that live hear of it within two seconds" in omni("agent", "stop", "echo", "echo").stderr
    assert omni.json("agent", "get", "echo", "echo")["status"] == "stopped"
    # The worker hears of it a little later.
    stopped = omni.until(
        lambda: (done := omni("task", "publish", "echo", "1", "--wait", "--timeout", "1s")).returncode == 5 and done
    )
    assert "its agent echo is stopped: omni agent start echo echo" in stopped.stderr
    advice = [finding["advice"] for finding in omni.json("doctor")["findings"]]
    assert "omni agent start echo echo" in advice

    assert omni.json("agent", "start", "echo", "echo")["status"] == "running"
    assert omni("task", "publish", "echo", "2", "--wait").returncode == 0
    assert {agent["status"] for agent in omni.json("agent", "stop", "--all")} == {"stopped"}
    assert {agent["status"] for agent in omni.json("agent", "start", "--all")} == {"running"}
    assert omni.json("agent", "get", "echo", "echo")["name"] == "echo"


def test_an_agent_is_removed_and_its_tasks_move(omni):
    """What waits for the old name goes to the new one; without an heir it is dropped, and that is said."""
    content = "from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()\nsdk.agent('t', name='{name}')(print)\n"
    for name in ("old", "new"):
        worker = omni.worker(content=content.format(name=name))
        worker.close()
    omni("task", "publish", "t", "1")
    removed = omni.json("agent", "remove", "t", "old", "--to", "new")
    assert removed == {"topic": "t", "name": "old", "to": "new", "moved": 1, "dropped": 0}
    assert [agent["name"] for agent in omni.json("agent", "list")] == ["new"]
    assert "waiting tasks dropped" in omni("agent", "remove", "t", "new").stdout
    assert omni.json("agent", "list") == []


def test_a_wait_for_an_agent_under_an_old_name_says_so(omni):
    """What the new name made of the task is told, and how the old one hands over."""
    content = "from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()\n"
    content += "@sdk.agent('t', name='{name}')\nasync def run(payload):\n    return payload\n"
    omni.worker(content=content.format(name="old")).close()
    omni.worker(content=content.format(name="new"))
    waited = omni("task", "publish", "t", '"done"', "--wait", "--timeout", "3s")
    assert waited.returncode == 5
    assert "\nnew succeeded: done\n" in waited.stderr
    assert "no worker runs its agent old: was it renamed? omni agent remove t old --to new; else" in waited.stderr
    (weak,) = [one for one in omni.json("doctor", code=1)["findings"] if one["about"] == "agent old on t"]
    assert "hour" not in weak["found"]
    assert "if so: omni agent remove t old --to new" in weak["advice"]
    health = omni.json("health")
    assert (health["status"], health["workers"]) == ("degraded", 1)
    assert health["notes"] == ["tasks wait for agents that no worker runs: old on t; omni doctor says what to do"]
    assert omni("agent", "stop", "t", "old").returncode == 0
    assert omni.json("health")["status"] == "ok"  # it waits for it as somebody wants it
    assert omni("agent", "remove", "t", "old").stdout == "removed old from t; 1 waiting task dropped\n"


def test_an_agent_that_a_live_worker_runs_is_removed_by_force_alone(omni):
    """Its next start brings it back, which is said."""
    omni.worker()
    refused = omni("agent", "remove", "echo", "echo")
    assert refused.returncode == 1
    assert "a live worker runs agent 'echo' on topic 'echo', and would register it anew" in refused.stderr
    assert "--force" in refused.stderr
    assert omni.json("agent", "get", "echo", "echo")["status"] == "running"
    forced = omni("agent", "remove", "echo", "echo", "--force")
    assert forced.returncode == 0
    assert "workers that run it: 1; they take nothing more for it, and start with it again" in forced.stderr
    assert omni("agent", "get", "echo", "echo").returncode == 3


def test_workers_bus_and_metrics_are_shown(omni):
    """Who works, what waits, what was done; as JSON, in a pipe and on a terminal."""
    worker = omni.worker()
    omni("task", "publish", "greet.user", '{"name": "A"}', "--wait")
    omni("task", "publish", "fails", "1", "--wait")
    (alive,) = omni.json("worker", "list")
    assert (alive["status"], alive["pid"]) == ("alive", worker.pid)
    assert {"topic": "echo", "name": "echo"} in alive["agents"]
    assert {(depth["topic"], depth["agent"]) for depth in omni.json("bus", "list")} >= {("greet.user", "greeter")}

    metrics = omni.json("metrics")
    assert metrics["greet.user"]["greeter"]["tasks_processed"] == 1
    assert metrics["fails"]["failing"]["tasks_failed"] == 2
    assert metrics["fails"]["failing"]["tasks_dead_lettered"] == 1
    assert metrics["greet.user"]["greeter"]["avg_processing_time_sec"] > 0

    assert "greet.user\tgreeter\t1\t1\t0" in omni("metrics").stdout
    for command in (
        ["agent", "list"],
        ["worker", "list"],
        ["bus", "list"],
        ["metrics"],
        ["agent", "get", "echo", "echo"],
    ):
        seen = omni.terminal(*command)
        assert seen.returncode == 0
        assert "╭" in seen.shown


def test_health_is_ok(omni):
    """Exit 0 while bus and store answer."""
    assert omni.json("health") == {
        "status": "ok",
        "bus": "sqlite",
        "store": "sqlite",
        "workers": 0,
        "agents": 0,
        "notes": [],
    }
    assert omni("health").stderr == ""
    assert "ok · bus and store answer" in omni.terminal("health").shown


def test_health_says_what_is_not_well(direct):
    """Exit 4 when bus and store do not answer."""
    lossy = direct.json("health", EVENT_BUS_TYPE="memory")
    assert lossy["status"] == "degraded"
    assert lossy["notes"]
    away = direct.json("health", code=4, OMNIDAEMON_DATA_DIR="/dev/null/data")
    assert away["status"] == "unavailable"
    assert "/dev/null/data" in away["notes"][0]


def test_the_doctor_finds_tasks_that_nobody_runs(omni):
    """Exit 0 when nothing is wrong; 1 with what to do when tasks wait and their agent has no worker."""
    well = omni("doctor")
    assert well.returncode == 0
    assert "fine · bus and store" in well.stdout
    omni.worker().close()
    waited = omni("task", "publish", "echo", "1", "--wait", "--timeout", "0")
    assert f"no worker runs its agent echo; start one: omni run agents.py; looked in {omni.place}" in waited.stderr
    health = omni("health")
    assert health.returncode == 0
    assert "status\tdegraded\n" in health.stdout
    assert "no worker runs the 3 agents" in health.stdout
    assert "a closer look finds: 1 wrong, 2 weak; omni doctor tells of each" in health.stderr
    report = omni.json("doctor", code=1)
    assert report["ok"] is False
    wrong = [finding for finding in report["findings"] if finding["severity"] == "wrong"]
    assert [finding["about"] for finding in wrong] == ["agent echo on echo"]
    assert wrong[0]["advice"].startswith(
        "start one: omni run agents.py; or, if it is gone for good: omni agent remove "
    )
    assert "✗ agent echo on echo" in omni.terminal("doctor").shown


def test_the_doctor_finds_wrong_settings_and_a_missing_backend(direct):
    """What keeps every other command from working is a finding, not a failure of the doctor."""
    for env in (
        {"EVENT_BUS_TYPE": "kafak"},
        {"OMNIDAEMON_DATA_DIR": "/dev/null/data"},
        {"RESULT_STORE_TYPE": "memory"},
    ):
        report = direct.json("doctor", code=1, **env)
        assert report["findings"][0]["severity"] == "wrong"


def test_settings_are_shown_with_their_origin(direct):
    """Each value and where it came from; secrets are left out."""
    shown = direct.json("config", "show", OMNIDAEMON_LOG_LEVEL="debug")
    assert shown["EVENT_BUS_TYPE"] == {"value": "sqlite", "origin": "default"}
    assert shown["OMNIDAEMON_LOG_LEVEL"] == {"value": "DEBUG", "origin": "environment OMNIDAEMON_LOG_LEVEL"}
    piped = direct("config", "show", OMNIDAEMON_LOG_LEVEL="debug").stdout
    assert "OMNIDAEMON_LOG_LEVEL\tDEBUG\tenvironment" in piped


def test_settings_are_those_of_where_the_work_is_done(omni):
    """Here or there."""
    assert omni.json("config", "show")["OMNIDAEMON_DATA_DIR"]["value"] == str(omni.folder / ".omnidaemon")


def test_a_worker_is_drained_from_elsewhere(omni):
    """It finishes what it runs and leaves; its supervisor goes with the last one. An unknown one is an error."""
    running = omni.worker("--processes", "2", content=SLOW)
    first, second = omni.until(lambda: len(found := omni.json("worker", "list")) == 2 and found)
    task_id = omni.json("task", "publish", "slow", "1")["task_id"]
    omni.until(lambda: omni.json("task", "result", task_id)["status"] == "running")
    for mistake, code in ((["nope"], 3), ([], 2), (["nope", "--all"], 2)):
        assert omni("worker", "drain", *mistake).returncode == code
    (drained,) = omni.json("worker", "drain", first["id"])
    assert (drained["id"], drained["status"]) == (first["id"], "draining")
    omni.until(lambda: [worker["id"] for worker in omni.json("worker", "list")] == [second["id"]])
    assert second["id"] in omni("worker", "drain", "--all").stdout
    assert running.wait() == 0
    assert running.said.count("was drained; nothing takes its place") == 2
    assert omni.json("task", "result", task_id)["status"] == "succeeded"
    assert omni.json("worker", "list") == []
    assert omni.json("worker", "drain", "--all") == []


def test_a_topic_is_purged(omni):
    """What waits is dropped, and nobody waits for it in vain; without --yes nothing is."""
    ids = [omni.json("task", "publish", "echo", str(number))["task_id"] for number in range(3)]
    refused = omni("bus", "purge", "echo")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert omni.json("bus", "purge", "echo", "--yes") == {"purged": 3}
    assert omni("bus", "purge", "echo", "--yes").stdout == "dropped 0 deliveries of echo\n"
    assert {omni.json("task", "result", task_id)["status"] for task_id in ids} == {"cancelled"}
    assert omni("bus", "purge", "e cho", "--yes").returncode == 2


def test_the_version_is_told(direct):
    """As a command and as an option."""
    version = direct.json("version")["version"]
    assert direct("--version").stdout.strip() == version
    assert version in direct("version").stdout
