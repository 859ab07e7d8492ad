"""What was asked for is not there, or is in another state."""

from __future__ import annotations

from typing import ClassVar

import attrs

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors.root import OmniDaemonError
from omnidaemon.domain.liveness import ALIVE_SECONDS


class NotFound(OmniDaemonError, LookupError):
    """What the call names does not exist."""


@attrs.define(slots=False)
class TaskNotFound(NotFound):
    """No such task: it was never published here, was deleted, or its result has expired."""

    task_id: str
    agent: str | None = None

    def __str__(self) -> str:
        where = f" for agent {self.agent!r}" if self.agent else ""
        return f"no task {self.task_id!r}{where}: never published here, deleted, or expired"


@attrs.define(slots=False)
class AgentNotFound(NotFound):
    """No such subscription in the registry."""

    topic: str
    agent: str

    def __str__(self) -> str:
        return f"no agent {self.agent!r} on topic {self.topic!r}; `omni agent list` shows those that exist"


@attrs.define(slots=False)
class WorkerNotFound(NotFound):
    """No such worker: it has left, or was never heard of."""

    worker_id: str

    def __str__(self) -> str:
        return f"no worker {self.worker_id!r}; `omni worker list` shows those that were heard within the last hour"


@attrs.define(slots=False)
class NotificationNotFound(NotFound):
    """No such webhook or reply: it was never in the outbox, or was settled so long ago that it has expired."""

    notification_id: str

    def __str__(self) -> str:
        return f"no webhook or reply {self.notification_id!r}; `omni webhook list` shows those that are known"


class Conflict(OmniDaemonError):
    """The call does not fit the state that it met; nothing was changed."""


@attrs.define(slots=False)
class WrongState(Conflict):
    """A command does not apply to a run in this state."""

    command: str
    task_id: str
    state: str

    def __str__(self) -> str:
        return f"cannot {self.command} task {self.task_id!r}: it is {self.state}"


@attrs.define(slots=False)
class AgentBusy(Conflict):
    """An agent cannot be replaced while it executes runs. It is stopped now, so it will come to rest."""

    topic: str
    agent: str
    running: int

    def __str__(self) -> str:
        runs = "1 run" if self.running == 1 else f"{self.running} runs"
        return (
            f"agent {self.agent!r} on topic {self.topic!r} is executing {runs}; it has been stopped and takes nothing "
            "more: try again once they have ended, or the lease of their dead worker is over"
        )


_COUNTS_ON = f"one that died counts for {duration_text(ALIVE_SECONDS)} more"


@attrs.define(slots=False)
class AgentInUse(Conflict):
    """An agent cannot be removed while live workers run it: each of their starts would register it anew."""

    topic: str
    agent: str
    workers: int

    def __str__(self) -> str:
        workers = "a live worker runs" if self.workers == 1 else f"{self.workers} live workers run"
        return (
            f"{workers} agent {self.agent!r} on topic {self.topic!r}, and would register it anew when started again: "
            f"stop or deploy them without it first ({_COUNTS_ON}), or force the removal"
        )


@attrs.define(slots=False)
class NamespaceInUse(Conflict):
    """A namespace is not erased while workers live in it."""

    workers: int

    def __str__(self) -> str:
        workers = "a worker lives" if self.workers == 1 else f"{self.workers} workers live"
        return f"{workers} in this namespace: stop them first ({_COUNTS_ON}), or force it"


@attrs.define(slots=False)
class NamespaceNotFound(NotFound):
    """Nothing is kept under the name of this namespace."""

    namespace: str
    place: str

    def __str__(self) -> str:
        return f"nothing is kept of a namespace {self.namespace!r} ({self.place})"


@attrs.define(slots=False)
class NotErasable(Conflict):
    """A bus or a store of this kind cannot be told to forget its namespace."""

    name: str

    def __str__(self) -> str:
        return f"{self.name!r} offers no way to erase a namespace: remove its data by its own means"


@attrs.define(slots=False)
class IdempotencyConflict(Conflict):
    """An idempotency key was used before with another payload."""

    key: str
    task_id: str

    def __str__(self) -> str:
        return f"idempotency key {self.key!r} belongs to task {self.task_id!r}, which has another payload"


@attrs.define(slots=False)
class StaleRequest(Conflict):
    """A gate call arrived after a later one of the same lane; it granted nothing."""

    request: str

    def __str__(self) -> str:
        return f"request {self.request} came after a later one and was refused"


@attrs.define(slots=False)
class AlreadyStarted(Conflict):
    """The SDK is running, and the call belongs before its start."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.define(slots=False)
class BlockingCall(Conflict):
    """A blocking call was made on a thread that runs an event loop, which it would have stopped."""

    call: str
    instead: str

    def __str__(self) -> str:
        return f"{self.call} blocks, and this thread runs an event loop: {self.instead}"


@attrs.define(slots=False)
class NotMainThread(Conflict):
    """A call that takes the process's signals was made on a thread other than the main one, which alone may."""

    call: str
    instead: str

    def __str__(self) -> str:
        return f"{self.call} takes the process's signals, which the main thread alone may: {self.instead}"


@attrs.define(slots=False)
class WaitTimedOut(OmniDaemonError, TimeoutError):
    """The result was not there in time. The task goes on; ask again with the same id. `reason` is why it will not be
    there either, as far as one is known."""

    is_transient: ClassVar[bool] = True

    task_id: str
    timeout_seconds: float
    status: str
    reason: str | None = None

    def __str__(self) -> str:
        tail = f": {self.reason}" if self.reason else "; it is not lost: ask for its result again later"
        return f"task {self.task_id} is still {self.status} after {duration_text(self.timeout_seconds)}{tail}"
