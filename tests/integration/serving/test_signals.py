"""`sdk.run()` in a process of its own: what signals do while it starts, works, and ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.programs import Program

HEAD = """
import asyncio, os, threading, time
from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.entrypoints.serving import run_sdks

def memory():
    return OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))

def say(words):
    print(words, flush=True)

sdk = memory()

@sdk.agent("work")
async def work(payload):
    say("at work")
    await asyncio.sleep(payload)
    say("finished")
"""
STUCK = """
def publish():
    asyncio.get_running_loop().create_task(sdk.publish_task("stuck", 1))

run_sdks([sdk], on_ready=publish)
say("after run")
"""
SECOND = """
second = memory()
sdk.on_shutdown(lambda: say("first ends"))
second.on_shutdown(lambda: say("second ends"))
"""
SECOND_THAT_WAITS = (
    SECOND
    + """
@second.on_startup
async def publish_and_wait():
    await sdk.publish_task("work", SECONDS)
    await asyncio.sleep(1000)

run_sdks([sdk, second])
"""
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Runs a program that begins with `HEAD`; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(text: str) -> Program:
            (tmp_path / "program.py").write_text(HEAD + text)
            program = Program([sys.executable, "-u", "program.py"], tmp_path)
            stack.callback(program.close)
            return program

        yield start


def end_at_once(program: Program) -> int:
    """Tell it twice: to drain, then to give back what still runs. Its exit code."""
    program.send()
    program.until_said("draining")
    return program.stop()


def test_a_shutdown_hook_takes_the_time_that_it_takes(run):
    """The patience with handlers that do not return is not for people's own clean-up; nor for what follows run()."""
    program = run("""
@sdk.on_shutdown
async def slow():
    await asyncio.sleep(4)
    say("cleaned up")

sdk.run()
time.sleep(3.5)
say("after run")
""")
    program.until_said("ready")
    assert program.stop() == 0, program.said
    assert "cleaned up" in program.said
    assert "after run" in program.said
    assert "does not return" not in program.said


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
def test_a_handler_that_never_returns_does_not_keep_the_process(run, body):
    """Its task was given back, and the process ends soon after."""
    program = run(f"""
@sdk.agent("stuck")
async def stuck(payload):
    say("handles")
    {body}
{STUCK}""")
    program.until_said("handles\n")
    assert end_at_once(program) == 0, program.said
    assert "does not return" in program.said


def test_a_thread_that_never_returns_does_not_keep_the_process(run):
    """A plain handler cannot be interrupted; its task was given back."""
    program = run(
        """
@sdk.agent("stuck")
def stuck(payload):
    say("handles")
    time.sleep(1000)
"""
        + STUCK
    )
    program.until_said("handles\n")
    assert end_at_once(program) == 0, program.said
    assert "after run" in program.said


def test_a_loop_that_is_blocked_before_the_start_returns_does_not_keep_an_engine_working(run):
    """An agent may block it with its first task: the engine is told all the same, and the process can be ended."""
    program = run("""
from omnidaemon.bootstrap.worker import Worker

start = Worker.start

async def blocked(worker):
    await start(worker)
    threading.Thread(target=lambda: worker.left.wait() and say("left"), daemon=True).start()
    say("works")
    time.sleep(1000)

Worker.start = blocked
sdk.run()
""")
    program.until_said("works")
    program.send()
    program.until_said("draining")
    program.until_said("left")
    program.send()
    program.until_said("giving back")
    program.send()
    assert program.wait() == 1, program.said


@pytest.mark.parametrize(("hang", "code"), [("await asyncio.sleep(1000)", 0), ("time.sleep(1000)", 1)])
def test_a_startup_hook_that_hangs_can_be_ended(run, hang, code):
    """The first signal cancels the start; where that is no help, the second ends the process."""
    program = run(f"""
@sdk.on_startup
async def hangs():
    say("hangs")
    {hang}

sdk.run()
""")
    program.until_said("hangs\n")
    program.send()
    if hang.startswith("time"):
        program.until_said("not starting")
        program.send()
    assert program.wait() == code, program.said
    assert "Traceback" not in program.said


def test_one_signal_while_a_second_sdk_starts_drains_the_first(run):
    """What runs is finished, not cancelled; the second is not started; and nothing is cut off meanwhile."""
    program = run(SECOND_THAT_WAITS.replace("SECONDS", "4"))
    program.until_said("at work\n")
    assert program.stop() == 0, program.said
    assert "finished" in program.said
    assert "does not return" not in program.said


def test_a_second_signal_while_a_second_sdk_starts_gives_back_what_the_first_runs(run):
    """At once, and in order: its hooks run."""
    program = run(SECOND_THAT_WAITS.replace("SECONDS", "300"))
    program.until_said("at work\n")
    assert end_at_once(program) == 0, program.said
    assert "first ends" in program.said
    assert "finished" not in program.said


def test_an_engine_that_fails_does_not_leave_the_other_sdks_running(run):
    """They drain and run their hooks; the failure is what the process ends with."""
    program = run(
        SECOND
        + """
from omnidaemon.app.engine import Engine

stop, count = Engine.stop, 0

async def broken(engine):
    global count
    count += 1
    if count == 1:
        raise RuntimeError("the engine broke")
    return await stop(engine)

Engine.stop = broken
run_sdks([sdk, second], on_ready=lambda: second.worker.request_stop())
"""
    )
    assert program.wait() == 1, program.said
    assert "the engine broke" in program.said
    assert "first ends" in program.said
    assert "second ends" in program.said
