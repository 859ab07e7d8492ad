"""The chaos suite for a bus and a store: subclass it, say how to reach them, and pytest plays the short forms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from omnidaemon.testing.chaos.scenarios import SCENARIOS, Scenario
from omnidaemon.testing.chaos.stage import Backend, Stage

_SEED = 1


class ChaosContract:
    """`scenarios` names those that are played, by default all that need neither a server nor a file of their own."""

    scenarios: Sequence[str] = tuple(
        scenario.name for scenario in SCENARIOS.values() if not (scenario.needs_server or scenario.file_only)
    )

    def backend(self, scenario: Scenario, folder: Path) -> AbstractAsyncContextManager[Backend]:
        """The bus and the store in this folder, fresh, with the servers and cables that the scenario asks for."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each scenario."""
        metafunc.parametrize("scenario", self.scenarios)

    @pytest.mark.timeout(300)
    async def test_keeps_its_promise(self, scenario: str, tmp_path: Path) -> None:
        """In the scenario's short form."""
        played = SCENARIOS[scenario]
        async with self.backend(played, tmp_path) as backend, Stage(backend, tmp_path) as stage:
            await played.play(stage, _SEED, **played.short)
