"""`sdk.run()` in a process of its own: what signals do while it starts, works, and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60.0
HEAD = """
import asyncio, os, time
from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.entrypoints.serving import run_sdks

def memory():
    return OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))

sdk = memory()

@sdk.agent("work")
async def work(payload):
    print("at work", flush=True)
    await asyncio.sleep(payload)
    print("finished", flush=True)
"""


class Program:
    """A program that runs agents, and all that it has said."""

    def __init__(self, folder: Path, text: str):
        self.log = folder / "log.txt"
        (folder / "program.py").write_text(HEAD + text)
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "program.py"], cwd=folder, stdout=stream, stderr=stream
            )

    @property
    def said(self):
        return self.log.read_text()

    def until_said(self, words, times=1):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.said.count(words) < times:
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def send(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def program(tmp_path: Path):
    programs: list[Program] = []

    def start(text):
        programs.append(Program(tmp_path, text))
        return programs[-1]

    yield start
    for each in programs:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_a_shutdown_hook_takes_the_time_that_it_takes(program):
    """The patience with handlers that do not return is not for people's own clean-up; nor for what follows run()."""
    running = program("""
@sdk.on_shutdown
async def slow():
    await asyncio.sleep(4)
    print("cleaned up", flush=True)

sdk.run()
time.sleep(3.5)
print("after run", flush=True)
""")
    running.until_said("ready")
    running.send()
    assert running.wait() == 0, running.said
    assert "cleaned up" in running.said
    assert "after run" in running.said
    assert "does not return" not in running.said


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(1000)",
        """
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass""",
    ],
    ids=["blocks the loop", "ignores its cancellation"],
)
def test_a_handler_that_never_returns_does_not_keep_the_process(program, body):
    """Its task was given back, and the process ends soon after."""
    running = program(f"""
@sdk.agent("stuck")
async def stuck(payload):
    print("handles", flush=True)
    {body}

def publish():
    asyncio.get_running_loop().create_task(sdk.publish_task("stuck", 1))

run_sdks([sdk], on_ready=publish)
""")
    running.until_said("handles\n")
    running.send()
    running.until_said("draining")
    running.send()
    assert running.wait() == 0, running.said
    assert "does not return" in running.said


def test_a_thread_that_never_returns_does_not_keep_the_process(program):
    """A plain handler cannot be interrupted; its task was given back."""
    running = program("""
@sdk.agent("stuck")
def stuck(payload):
    print("handles", flush=True)
    time.sleep(1000)

def publish():
    asyncio.get_running_loop().create_task(sdk.publish_task("stuck", 1))

run_sdks([sdk], on_ready=publish)
print("after run", flush=True)
""")
    running.until_said("handles\n")
    running.send()
    running.until_said("draining")
    running.send()
    assert running.wait() == 0, running.said
    assert "after run" in running.said


def test_a_loop_that_is_blocked_before_the_start_returns_does_not_keep_an_engine_working(program):
    """An agent may block it with its first task: the engine is told all the same, and the process can be ended."""
    running = program("""
import threading
from omnidaemon.bootstrap.worker import Worker

start = Worker.start

async def blocked(worker):
    await start(worker)
    threading.Thread(target=lambda: worker.left.wait() and print("left", flush=True), daemon=True).start()
    print("works", flush=True)
    time.sleep(1000)

Worker.start = blocked
sdk.run()
""")
    running.until_said("works")
    running.send()
    running.until_said("draining")
    running.until_said("left")
    running.send()
    running.until_said("giving back")
    running.send()
    assert running.wait() == 1, running.said


@pytest.mark.parametrize(("hang", "code"), [("await asyncio.sleep(1000)", 0), ("time.sleep(1000)", 1)])
def test_a_startup_hook_that_hangs_can_be_ended(program, hang, code):
    """The first signal cancels the start; where that is no help, the second ends the process."""
    running = program(f"""
@sdk.on_startup
async def hangs():
    print("hangs", flush=True)
    {hang}

sdk.run()
""")
    running.until_said("hangs\n")
    running.send()
    if hang.startswith("time"):
        running.until_said("not starting")
        running.send()
    assert running.wait() == code, running.said
    assert "Traceback" not in running.said


def test_one_signal_while_a_second_sdk_starts_drains_the_first(program):
    """What runs is finished, not cancelled; the second is not started; and nothing is cut off meanwhile."""
    running = program("""
second = memory()

@second.on_startup
async def slow():
    await sdk.publish_task("work", 4)
    await asyncio.sleep(1000)

run_sdks([sdk, second])
""")
    running.until_said("at work\n")
    running.send()
    assert running.wait() == 0, running.said
    assert "finished" in running.said
    assert "does not return" not in running.said


def test_a_second_signal_while_a_second_sdk_starts_gives_back_what_the_first_runs(program):
    """At once, and in order: its hooks run."""
    running = program("""
second = memory()

@sdk.on_shutdown
def end():
    print("first ends", flush=True)

@second.on_startup
async def slow():
    await sdk.publish_task("work", 300)
    await asyncio.sleep(1000)

run_sdks([sdk, second])
""")
    running.until_said("at work\n")
    running.send()
    running.until_said("draining")
    running.send()
    assert running.wait() == 0, running.said
    assert "first ends" in running.said
    assert "finished" not in running.said


def test_an_engine_that_fails_does_not_leave_the_other_sdks_running(program):
    """They drain and run their hooks; the failure is what the process ends with."""
    running = program("""
from omnidaemon.app.engine import Engine

second = memory()
stop, count = Engine.stop, 0

async def broken(engine):
    global count
    count += 1
    if count == 1:
        raise RuntimeError("the engine broke")
    return await stop(engine)

Engine.stop = broken

@sdk.on_shutdown
def first_end():
    print("first ends", flush=True)

@second.on_shutdown
def second_end():
    print("second ends", flush=True)

run_sdks([sdk, second], on_ready=lambda: second.worker.request_stop())
""")
    assert running.wait() == 1, running.said
    assert "the engine broke" in running.said
    assert "first ends" in running.said
    assert "second ends" in running.said
