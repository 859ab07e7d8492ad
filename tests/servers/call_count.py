"""Calls of Python functions of the package, counted by module: what a task costs, on every machine the same."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Self

import omnidaemon

_PACKAGE = str(Path(omnidaemon.__file__).parent)


class CallCount:
    """Counts for so many tasks; a resumed coroutine counts as a call. Of other threads, those that start within.
    `total` are those of all code, not only of the package."""

    def __init__(self, tasks: int) -> None:
        self.by_place: Counter[str] = Counter()
        self.total = 0
        self._tasks = tasks

    def __enter__(self) -> Self:
        threading.setprofile(self._count)
        sys.setprofile(self._count)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.total += 1
            name = frame.f_code.co_filename
            if name.startswith(_PACKAGE):
                self.by_place[name[len(_PACKAGE) + 1 : -3]] += 1
            elif name.startswith("<attrs"):
                self.by_place["attrs: values made and changed"] += 1

    def per_task(self, *rooms: str) -> float:
        """How many of these calls there were for each task; of all places without a name."""
        counts = (count for place, count in self.by_place.items() if not rooms or place.startswith(rooms))
        return sum(counts) / self._tasks

    def table(self) -> str:
        """The places that cost most."""
        rows = self.by_place.most_common(12)
        return "\n".join(f"{count / self._tasks:8.1f}  {place}" for place, count in rows)
