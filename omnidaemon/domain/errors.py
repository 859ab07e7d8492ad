"""Every error that OmniDaemon raises: attributes first, the message derived from them."""

from __future__ import annotations

from typing import ClassVar

import attrs


class OmniDaemonError(Exception):
    """The root of all errors. `is_transient` says whether the same call may succeed later."""

    is_transient: ClassVar[bool] = False


# --- bad input: the caller must change something -------------------------------------------------------------------


class InvalidInput(OmniDaemonError, ValueError):
    """The call cannot be carried out as it was written."""


@attrs.define(slots=False)
class InvalidName(InvalidInput):
    """A topic, an agent or another name has characters that no backend can carry."""

    kind: str
    value: object

    def __str__(self) -> str:
        return f"{self.value!r} is not a valid {self.kind}: use 1 to 200 of the characters A-Z a-z 0-9 . _ -"


@attrs.define(slots=False)
class InvalidValue(InvalidInput):
    """An argument is of the wrong kind or out of its range."""

    name: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value!r}, expected {self.expected}"


@attrs.define(slots=False)
class PayloadNotJson(InvalidInput):
    """A payload holds something that JSON cannot carry."""

    reason: str

    def __str__(self) -> str:
        return f"the payload is not JSON: {self.reason}"


@attrs.define(slots=False)
class PayloadTooLarge(InvalidInput):
    """A payload is above the configured limit; nothing was published."""

    size_bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return (
            f"the payload has {self.size_bytes:,} bytes, the limit is {self.limit_bytes:,}"
            " (OMNIDAEMON_PAYLOAD_MAX_BYTES); publish a reference to the data instead"
        )


@attrs.define(slots=False)
class DuplicateAgent(InvalidInput):
    """The same (topic, name) was registered twice in one SDK."""

    topic: str
    agent: str

    def __str__(self) -> str:
        return f"agent {self.agent!r} is registered twice on topic {self.topic!r}: give one of them another name="


# --- configuration ------------------------------------------------------------------------------------------------


class ConfigurationError(OmniDaemonError):
    """The settings cannot work together or on this machine."""


@attrs.define(slots=False)
class InvalidSetting(ConfigurationError):
    """A setting has a value that cannot be used."""

    name: str
    value: object
    expected: str
    origin: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name} is not set: expected {self.expected}"
        return f"{self.name}={self.value!r} (from {self.origin}): expected {self.expected}"


@attrs.define(slots=False)
class UnknownSetting(ConfigurationError):
    """A settings file names something that does not exist."""

    name: str
    origin: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"unknown setting {self.name!r} in {self.origin}{hint}"


@attrs.define(slots=False)
class UnknownBackend(ConfigurationError):
    """No installed adapter has this name. `origin` is where the name came from, as far as that is known."""

    kind: str
    name: str
    known: tuple[str, ...]
    origin: str | None = None
    suggestion: str | None = None
    is_planned: bool = False

    def __str__(self) -> str:
        named = f"{self.kind} {self.name!r}{f' (from {self.origin})' if self.origin else ''}"
        installed = f"installed: {', '.join(self.known)}"
        if self.is_planned:
            return f"the {named} is planned, not there yet; {installed}"
        return f"unknown {named}; {installed}{f'; did you mean {self.suggestion}?' if self.suggestion else ''}"


@attrs.define(slots=False)
class MissingExtra(ConfigurationError):
    """An adapter is chosen whose library is not installed."""

    kind: str
    name: str
    module: str
    install: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} needs the package {self.module!r}: {self.install}"


@attrs.define(slots=False)
class MismatchedPair(ConfigurationError):
    """A bus and a store whose guarantees do not fit together were chosen without saying that it is meant."""

    bus: str
    store: str
    reason: str

    def __str__(self) -> str:
        return f"bus {self.bus!r} with store {self.store!r}: {self.reason}; set OMNIDAEMON_ALLOW_MISMATCH=true if meant"


@attrs.define(slots=False)
class AgentFileError(ConfigurationError):
    """A file of agents cannot be used."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


# --- what was asked for is not there, or is in another state --------------------------------------------------------


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

    def __str__(self) -> str:
        return "sdk.sync blocks, and this thread runs an event loop: await the same call on the sdk itself"


@attrs.define(slots=False)
class WaitTimedOut(OmniDaemonError, TimeoutError):
    """The result was not there in time. The task goes on; ask again with the same id."""

    is_transient: ClassVar[bool] = True

    task_id: str
    timeout_seconds: float
    status: str

    def __str__(self) -> str:
        return (
            f"task {self.task_id} is still {self.status} after {self.timeout_seconds:g} s; "
            "it is not lost: ask for its result again later"
        )


# --- the backend --------------------------------------------------------------------------------------------------


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
