"""The root of every error that OmniDaemon raises."""

from __future__ import annotations

from typing import ClassVar


class OmniDaemonError(Exception):
    """The root of all errors. `is_transient` says whether the same call may succeed later."""

    is_transient: ClassVar[bool] = False
