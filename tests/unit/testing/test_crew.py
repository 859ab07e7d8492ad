"""Processes under control: each signal does what it says, and none outlives the crew."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from omnidaemon.testing.chaos.crew import Crew

PATIENT = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
    "print('here', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.fixture
async def crew(tmp_path):
    async with Crew(tmp_path) as crew:
        yield crew


async def started(crew, script=PATIENT):
    member = crew.start([sys.executable, "-c", script], os.environ)
    assert await member.says("here")
    return member


async def test_killed_and_told_to_stop(crew):
    victim, other = await started(crew), await started(crew)
    await victim.kill()
    assert victim.exit_code == -signal.SIGKILL
    assert [each.pid for each in crew.interruptions] == [victim.pid]
    assert await other.terminate() == 3
    assert crew.alive == []
    assert len(crew.interruptions) == 1


async def test_who_kills_itself_is_noted(crew):
    member = crew.start([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], os.environ)
    assert not await member.says("here")
    assert [each.pid for each in crew.interruptions] == [member.pid]


async def test_frozen_and_thawed(crew):
    member = await started(crew)
    member.freeze()
    member.send(signal.SIGTERM)
    assert member.exit_code is None
    member.thaw()
    assert await member.gone() == 3


async def test_none_is_left_behind(tmp_path):
    async with Crew(tmp_path) as crew:
        member = await started(crew)
        frozen = await started(crew)
        frozen.freeze()
        assert member.resident_bytes() > 1_000_000
        assert member.files() >= 3
        assert member.threads() == 1
    assert member.exit_code == frozen.exit_code == -signal.SIGKILL


async def test_a_failure_shows_what_they_wrote(tmp_path):
    async def fail():
        async with Crew(tmp_path) as crew:
            await started(crew)
            raise AssertionError("it failed")

    with pytest.raises(AssertionError) as raised:
        await fail()
    assert any("here" in note for note in raised.value.__notes__)
