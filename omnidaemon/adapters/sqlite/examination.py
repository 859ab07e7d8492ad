"""Where the file lies, as far as that decides what may be lost."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from omnidaemon.adapters.sqlite.faults import BACKEND
from omnidaemon.adapters.sqlite.mounts import file_system_of, mount_table
from omnidaemon.domain.sizes import size_text
from omnidaemon.ports.backend import Weakness

_LITTLE_SPACE: Final = 2**30
_TOO_LITTLE_SPACE: Final = 100 * 2**20
_FORGETFUL: Final = {
    "tmpfs": "a file system in memory: a reboot empties it",
    "ramfs": "a file system in memory: a reboot empties it",
    "overlay": "a container's own file system: it goes with the container",
}


@attrs.frozen(kw_only=True)
class Ground:
    """The folder of the file as it was found. `file_system` is None where the system does not tell."""

    path: Path
    free_bytes: int
    file_system: str | None


async def examined(path: Path) -> Sequence[Weakness]:
    """What weakens the promise of this file."""
    try:
        ground = await asyncio.to_thread(ground_of, path)  # a disk that hangs shall hold up nobody else
    except OSError as error:
        found, advice = (
            f"its folder cannot be looked at: {error.strerror}",
            "is the disk there, and may this user see it?",
        )
        return [Weakness(backend=f"{BACKEND} at {path}", found=found, advice=advice, is_grave=True)]
    return list(weaknesses_of(ground))


def ground_of(path: Path) -> Ground:
    """What this file stands on."""
    folder = path.parent
    kind = file_system_of(Path(os.path.realpath(folder)), mount_table())
    return Ground(path=path, free_bytes=shutil.disk_usage(folder).free, file_system=kind)


def weaknesses_of(ground: Ground) -> Iterator[Weakness]:
    """Whether it can hold what is entrusted to it."""
    backend = f"{BACKEND} at {ground.path}"
    left = f"its disk has {size_text(ground.free_bytes)} left"
    if ground.free_bytes < _TOO_LITTLE_SPACE:
        yield Weakness(backend=backend, found=left, advice="free some space now", is_grave=True)
    elif ground.free_bytes < _LITTLE_SPACE:
        yield Weakness(backend=backend, found=left, advice="free some space")
    if (flaw := _FORGETFUL.get(ground.file_system or "")) is not None:
        advice = "set OMNIDAEMON_DATA_DIR to a disk, or mount a volume there"
        yield Weakness(backend=backend, found=f"it lies on {flaw}", advice=advice)
