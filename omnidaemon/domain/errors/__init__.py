"""Every error that OmniDaemon raises: attributes first, the message derived from them."""

from omnidaemon.domain.errors.backends import BackendError, BackendUnavailable, BackendUnusable, PublishFailed
from omnidaemon.domain.errors.configuration import (
    AgentFileError,
    ConfigurationError,
    InvalidSetting,
    MismatchedPair,
    MissingExtra,
    UnknownBackend,
    UnknownSetting,
)
from omnidaemon.domain.errors.inputs import (
    DuplicateAgent,
    InvalidInput,
    InvalidName,
    InvalidValue,
    PayloadNotJson,
    PayloadTooLarge,
)
from omnidaemon.domain.errors.root import OmniDaemonError
from omnidaemon.domain.errors.states import (
    AgentBusy,
    AgentNotFound,
    AlreadyStarted,
    BlockingCall,
    Conflict,
    IdempotencyConflict,
    NotFound,
    StaleRequest,
    TaskNotFound,
    WaitTimedOut,
    WrongState,
)

__all__ = [
    "AgentBusy",
    "AgentFileError",
    "AgentNotFound",
    "AlreadyStarted",
    "BackendError",
    "BackendUnavailable",
    "BackendUnusable",
    "BlockingCall",
    "ConfigurationError",
    "Conflict",
    "DuplicateAgent",
    "IdempotencyConflict",
    "InvalidInput",
    "InvalidName",
    "InvalidSetting",
    "InvalidValue",
    "MismatchedPair",
    "MissingExtra",
    "NotFound",
    "OmniDaemonError",
    "PayloadNotJson",
    "PayloadTooLarge",
    "PublishFailed",
    "StaleRequest",
    "TaskNotFound",
    "UnknownBackend",
    "UnknownSetting",
    "WaitTimedOut",
    "WrongState",
]
