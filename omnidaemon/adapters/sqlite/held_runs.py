"""The runs that were granted here, as they were written: their owner is nearly always the next who changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from omnidaemon.adapters.sqlite.moves import Place
from omnidaemon.domain.requests import Finish
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState

_MOST: Final = 50_000

Kept = tuple[Run, Place]
"""A run, and where it is."""


class HeldRuns:
    """What is in here is compared before anything rests on it; what is not is read."""

    def __init__(self) -> None:
        self._kept: dict[RunKey, Kept] = {}

    def of(self, owner: str, finishes: Iterable[Finish]) -> dict[RunKey, Kept]:
        """Those whose grant, as far as is remembered, is the one that is finished: they will be changed, and so
        compared."""
        found: dict[RunKey, Kept] = {}
        for finish in finishes:
            key = (finish.task_id, finish.agent)
            kept = self._kept.get(key)
            if kept is not None and kept[0].is_held_by(owner, finish.fence):
                found[key] = kept
        return found

    def remember(self, runs: Iterable[Run], places: Mapping[RunKey, Place]) -> None:
        """Those of these that run."""
        for run in runs:
            if run.state is RunState.RUNNING:
                key = run.key
                self._kept[key] = (run, places[key])
        while len(self._kept) > _MOST:  # nobody has that many under way: their owner has dropped them
            del self._kept[next(iter(self._kept))]

    def forget(self, key: RunKey, fence: int) -> None:
        """Unless it was granted anew since."""
        kept = self._kept.get(key)
        if kept is not None and kept[0].fence <= fence:
            del self._kept[key]
