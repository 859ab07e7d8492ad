"""Playing a scenario with a fault planted in its program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from omnidaemon.testing.chaos.scenarios import SCENARIOS
from omnidaemon.testing.chaos.stage import Stage
from tests.chaos.backends import PAIRS, backend
from tests.chaos.planted import VARIABLE

_PROGRAM = (sys.executable, str(Path(__file__).with_name("planted.py")))


async def finds(pair: str, scenario: str, plant: str, folder: Path, words: str, **arguments: Any) -> None:
    """The scenario has to fail of this plant, in these words."""
    played = SCENARIOS[scenario]
    async with backend(PAIRS[pair], folder, cables=played.cables, seed=1) as well:
        ill = attrs.evolve(well, program=_PROGRAM, environment={**well.environment, VARIABLE: plant})
        async with Stage(ill, folder) as stage:
            with pytest.raises(AssertionError, match=words):
                await played.play(stage, 1, **arguments)
