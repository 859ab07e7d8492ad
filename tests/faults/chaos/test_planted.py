"""Faults that are planted in the program, and that scenarios find after a while: each would pass unseen if its checker
could not fail."""

from __future__ import annotations

import pytest

from tests.chaos.finding import finds

pytestmark = pytest.mark.timeout(300)

_LINE = {"seconds": 12.0, "workers": 2}


@pytest.mark.parametrize(
    ("place", "plant", "words", "arguments"),
    [
        ("sqlite+sqlite kills", "lose", r"lost: ", {"tasks": 40, "kills": 1, "workers": 1}),
        ("sqlite+sqlite notification-kills", "keep-silent", r"untold: webhook", {"calls": 1, "items": 2}),
        ("sqlite+sqlite stop-start", "leak", "left over: asyncio tasks", {"times": 20}),
        ("redis_stream+redis bad-line", "cross", r"crossed: ", _LINE),
        ("redis_stream+redis bad-line", "get-stuck", "began nothing for 30 s in fair weather", _LINE),
        ("redis_stream+redis bad-line", "stop-renewing", "crashes were counted, and every worker lives", _LINE),
    ],
)
async def test_a_planted_fault_is_found(tmp_path, place, plant, words, arguments):
    pair, scenario = place.split()
    await finds(pair, scenario, plant, tmp_path, words, **arguments)
