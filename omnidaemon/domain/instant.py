"""A reading of a store's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs


@attrs.frozen
class Instant:
    """What the store's clock says: `at` is wall time in UTC, for due times that outlive a reboot; `steady` are seconds
    that never jump, for leases, so that a clock set forward by an hour takes no run from a worker that lives."""

    at: datetime
    steady: float

    def after(self, seconds: float) -> datetime:
        """The wall time `seconds` from now."""
        return self.at + timedelta(seconds=seconds)
