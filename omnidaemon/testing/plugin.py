"""The pytest plugin of the distribution: readable failures in the shipped suites, and fixtures for time and ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from omnidaemon.testing.clock import ManualClock, SequentialIds

# Nothing of the package is imported before a test asks for it: every pytest run in this environment loads this module.
pytest.register_assert_rewrite(
    "omnidaemon.testing.chaos",
    "omnidaemon.testing.contracts",
    "omnidaemon.testing.exploration",
    "omnidaemon.testing.interleavings",
    "omnidaemon.testing.model",
    "omnidaemon.testing.patience",
    "omnidaemon.testing.worker",
)


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that the test moves."""
    from omnidaemon.testing.clock import ManualClock  # noqa: PLC0415 - only for who asks

    return ManualClock()


@pytest.fixture
def sequential_ids() -> SequentialIds:
    """Ids that the test can foretell."""
    from omnidaemon.testing.clock import SequentialIds  # noqa: PLC0415 - only for who asks

    return SequentialIds()
