"""A reading of a store's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

LONGEST_SECONDS = 10 * 365 * 86400.0
"""The longest pause or limit that anybody can mean: what is longer ends here, so that no time can overflow."""


@attrs.frozen
class Instant:
    """What the store's clock says: `at` is wall time in UTC, for due times that outlive a reboot; `steady` are seconds
    that never jump, for leases, so that a clock set forward by an hour takes no run from a worker that lives."""

    at: datetime
    steady: float

    def after(self, seconds: float) -> datetime:
        """The wall time `seconds` from now."""
        return self.at + timedelta(seconds=min(seconds, LONGEST_SECONDS))
