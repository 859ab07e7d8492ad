"""A command that goes on ends with whoever reads it, and one that destroys asks before."""

from __future__ import annotations

import asyncio
import io
import os
import sys

import pytest

from omnidaemon.entrypoints.cli.confirmation import confirm
from omnidaemon.entrypoints.cli.options import WrongUse
from omnidaemon.entrypoints.cli.reader import while_somebody_reads


class Stream(io.StringIO):
    """What somebody types, on a terminal or not."""

    def __init__(self, text="", *, is_terminal=True):
        super().__init__(text)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


async def test_work_ends_when_nobody_reads_any_more(monkeypatch):
    """Also while it has nothing to say; what it began is cancelled."""
    reading, writing = os.pipe()
    cancelled = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        working = asyncio.create_task(while_somebody_reads(work()))
        await asyncio.sleep(0)
        assert not working.done()
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            await asyncio.wait_for(working, 10)
        monkeypatch.undo()
    assert cancelled.is_set()


async def test_work_that_ends_or_fails_does_so_by_itself():
    """On an output that is no pipe nobody is waited for."""
    seen = []

    async def work(error=None):
        seen.append(error)
        if error:
            raise error

    await while_somebody_reads(work())
    with pytest.raises(KeyError):
        await while_somebody_reads(work(KeyError("x")))
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("typed", "is_wanted"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_a_person_is_asked(monkeypatch, typed, is_wanted):
    """On stderr; anything but yes means no."""
    errors = Stream()
    monkeypatch.setattr(sys, "stdin", Stream(typed))
    monkeypatch.setattr(sys, "stderr", errors)
    assert confirm("drop it", is_agreed=False) is is_wanted
    assert errors.getvalue() == "drop it for good? [y/N] "


def test_where_nobody_can_be_asked_yes_must_be_said(monkeypatch):
    """A script says --yes, and is not asked then."""
    monkeypatch.setattr(sys, "stdin", Stream("y\n", is_terminal=False))
    with pytest.raises(WrongUse, match="--yes"):
        confirm("drop it", is_agreed=False)
    assert confirm("drop it", is_agreed=True)
