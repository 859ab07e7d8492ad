"""Each checker can fail: a fault is planted in the program, and the scenario that has to find it does. The plants that
take a while to be found are in `tests/faults/chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.finding import finds

_FEW = {"tasks": 40, "kills": 1, "workers": 1}


@pytest.mark.parametrize(("plant", "words"), [("repeat", "duplicated: "), ("falsify", "contradicted: ")])
async def test_a_planted_fault_is_found(tmp_path, plant, words):
    await finds("sqlite+sqlite", "kills", plant, tmp_path, words, **_FEW)
