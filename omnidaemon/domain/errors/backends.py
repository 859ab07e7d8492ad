"""A bus or a store cannot do its work."""

from __future__ import annotations

from typing import ClassVar

import attrs

from omnidaemon.domain.errors.root import OmniDaemonError


@attrs.define(slots=False)
class BackendError(OmniDaemonError):
    """A bus or a store cannot do its work; `hint` says what a person can do about it."""

    backend: str
    location: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        tail = f"; {self.hint}" if self.hint else ""
        return f"{self.backend} at {self.location}: {self.reason}{tail}"


class BackendUnavailable(BackendError):
    """Not reachable, locked or out of space just now; the same call may succeed later."""

    is_transient: ClassVar[bool] = True


class DataLost(BackendUnavailable):
    """It answers, and has lost what it held; the same call may succeed later."""


class BackendUnusable(BackendError):
    """Corrupt, read-only, newer than this version or otherwise not to be used until somebody mends it."""


@attrs.define(slots=False)
class PublishFailed(OmniDaemonError):
    """The bus did not confirm a task. When `is_unknown` it may have arrived: publish again with an idempotency key."""

    is_transient: ClassVar[bool] = True

    task_id: str
    reason: str
    is_unknown: bool = False

    def __str__(self) -> str:
        doubt = "it is unknown whether it arrived" if self.is_unknown else "it was not published"
        return f"task {self.task_id}: {doubt}: {self.reason}"


class NobodyListens(PublishFailed):
    """A task reached no agent, on a bus where nothing waits. One with an idempotency key is tried again by a worker."""
