"""What follows from an attempt to tell of an ended run, by a webhook or by a reply."""

from __future__ import annotations

import attrs


@attrs.frozen
class Delivered:
    """The receiver has it."""


@attrs.frozen
class TryAgain:
    """It is due again after so many seconds."""

    after_seconds: float


@attrs.frozen
class GivenUp:
    """It will not be sent again unless a person asks for it."""

    reason: str


Verdict = Delivered | TryAgain | GivenUp
