"""How much a test does: little in the run of every day, all of it where OMNIDAEMON_TEST_FULL is 1, as in `make
faults`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

IS_FULL = os.environ.get("OMNIDAEMON_TEST_FULL") == "1"


def amount(usual: T, full: T) -> T:
    """The first in the run of every day, the second in the full one."""
    return full if IS_FULL else usual
