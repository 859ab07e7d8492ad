"""What the storage tells of the place where its file lies."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import sqlite_storage
from omnidaemon.adapters.sqlite.examination import Ground, examined, ground_of, weaknesses_of
from omnidaemon.ports.backend import SelfExamination
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.place import Place

FIRM = Ground(path=Path("/data/omni.db"), free_bytes=50 * 2**30, file_system="ext4")


@pytest.mark.parametrize(
    ("change", "is_grave", "words"),
    [
        ({"free_bytes": 50 * 2**20}, True, "50 MiB left"),
        ({"free_bytes": 500 * 2**20}, False, "500 MiB left"),
        ({"file_system": "tmpfs"}, False, "a reboot empties it"),
        ({"file_system": "overlay"}, False, "mount a volume"),
    ],
)
def test_a_place_that_may_lose_data_is_named(change, is_grave, words):
    """No space is grave; little space and forgetful file systems weaken the promise."""
    (weakness,) = weaknesses_of(attrs.evolve(FIRM, **change))
    assert weakness.is_grave is is_grave
    assert weakness.backend == "sqlite at /data/omni.db"
    assert words in f"{weakness.found}; {weakness.advice}"


def test_a_good_place_has_no_weakness():
    """A disk with space, whether or not its kind is known."""
    assert not list(weaknesses_of(FIRM))
    assert not list(weaknesses_of(attrs.evolve(FIRM, file_system=None)))


async def test_the_storage_examines_itself(tmp_path):
    """It looks at the folder of its file, as it is now."""
    async with sqlite_storage(Place(data_dir=tmp_path, clock=ManualClock(), codec=JsonCodec()).context()) as storage:
        assert isinstance(storage, SelfExamination)
        found = await storage.weaknesses()
        assert {weakness.backend for weakness in found} <= {f"sqlite at {storage._space.database.path}"}
    (lost,) = await examined(tmp_path / "gone" / "omni.db")
    assert lost.is_grave
    assert "cannot be looked at" in lost.found
    assert ground_of(storage._space.database.path).free_bytes > 0
