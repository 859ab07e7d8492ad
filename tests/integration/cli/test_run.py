"""`omni run` and `omni dev`: workers that drain, are replaced, and start anew."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy

COUNTING = """
import os
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("who")
async def who(payload):
    return os.getpid()


@sdk.agent("die", policy=DeliveryPolicy(lease=0.5, crash_limit=1))
async def die(payload):
    os._exit(7)
"""
SLOW = """
import asyncio
from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("slow")
async def slow(payload):
    print("begun", flush=True)
    await asyncio.sleep(payload)
    print("finished", flush=True)
    return "{answer}"
"""


@pytest.fixture
def omni(direct):
    """What is tested here is of this machine."""
    return direct


def ready_pids(running):
    """The processes that have said that they are ready."""
    return [int(pid) for pid in re.findall(r"ready \(process (\d+)\)", running.said)]


def is_alive(pid):
    """Whether there is a process of this id that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_all_processes(omni, number):
    """What runs is finished, the supervisor waits for it, and exits 0; nobody is left behind."""
    running = omni.worker("--processes", "2", content=SLOW.format(answer=1))
    omni.until(lambda: len(ready_pids(running)) == 2)
    task_id = omni.json("task", "publish", "slow", "1")["task_id"]
    running.until_said("begun")
    running.send(number)
    assert running.wait() == 0
    assert "finished" in running.said.splitlines()
    assert "waiting for 1 run to end, for 30 s at most" in running.said
    assert running.said.count("agent slow listens on slow") == 1
    assert omni.json("task", "result", task_id)["status"] == "succeeded"
    assert not any(map(is_alive, ready_pids(running)))


def test_a_second_signal_gives_back_what_runs(omni):
    """The run is not finished and not lost: it waits for the next worker, with no attempt burnt."""
    running = omni.worker("--processes", "2", content=SLOW.format(answer=1))
    task_id = omni.json("task", "publish", "slow", "300")["task_id"]
    running.until_said("begun")
    running.send(signal.SIGTERM)
    running.until_said("draining")
    running.send(signal.SIGTERM)
    running.wait()
    assert "finished" not in running.said.splitlines()  # the agent's own word, alone on its line
    assert omni.json("task", "result", task_id)["status"] == "queued"


def test_a_process_that_dies_is_replaced(omni):
    """Its end is told, what it died of is dead at its crash limit, and the workers go on."""
    second = '\n\nother = OmniDaemonSDK()\n\n\n@other.agent("other")\nasync def another(payload):\n    pass\n'
    running = omni.worker("--processes", "2", content=COUNTING + second)
    omni.until(lambda: len(ready_pids(running)) == 2)
    assert omni("task", "publish", "die", "1", "--wait", "--timeout", "120s").returncode == 1
    running.until_said("ended with exit code 7; starting it again in")
    omni.until(lambda: len(ready_pids(running)) == 3)
    assert running.said.count("has 2 SDK objects with agents") == 1, "what is to note is said once, not by each process"
    assert omni("task", "publish", "who", "1", "--wait", "--timeout", "120s").returncode == 0


def test_a_wait_tells_that_the_worker_is_gone(direct):
    """Killed in the middle, it leaves a task that looks as if it ran; who waits for it hears that nobody does."""
    running = direct.worker(content=SLOW.format(answer=1))
    waiting = direct.start("task", "publish", "slow", "300", "--wait", "--timeout", "120s")
    running.until_said("begun")
    os.kill(running.pid, signal.SIGKILL)
    waiting.until_said("the worker of agent .* is not heard any more; another one would take it over: omni run")


def test_workers_do_not_outlive_their_supervisor(omni):
    """Killed without a chance to say so, it leaves workers that drain by themselves."""
    running = omni.worker("--processes", "2", content=COUNTING)
    omni.until(lambda: len(ready_pids(running)) == 2)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    omni.until(lambda: not any(map(is_alive, ready_pids(running))))


def test_dev_drains_and_starts_anew_when_the_code_changes(omni):
    """The old code finishes what it runs; a mistake is shown and the next change waited for."""
    agents = omni.folder / "agents.py"
    agents.write_text(SLOW.format(answer="old"))
    running = omni.start("dev", "agents.py")
    omni.until(lambda: len(ready_pids(running)) == 1)
    task_id = omni.json("task", "publish", "slow", "1")["task_id"]
    running.until_said("begun")

    agents.write_text(SLOW.format(answer="new"))
    omni.until(lambda: len(ready_pids(running)) == 2)
    assert "SIGTERM" not in running.said
    assert omni.json("task", "result", task_id)["result"] == "old"
    assert omni.json("task", "publish", "slow", "0", "--wait")["result"] == "new"

    agents.write_text("x = (")
    running.until_said("waiting for the next change")
    assert "agents.py: line 1" in running.said

    agents.write_text(SLOW.format(answer="mended"))
    omni.until(lambda: len(ready_pids(running)) == 3)
    assert omni.json("task", "publish", "slow", "0", "--wait")["result"] == "mended"
    running.send(signal.SIGINT)
    assert running.wait() == 0
    assert not any(map(is_alive, ready_pids(running)))


def test_the_banner_of_run_is_for_terminals(omni):
    """A log has no banner in it."""
    running = omni.worker()
    assert "_ __" not in running.said
