"""OmniDaemon: the runtime where AI agents live.

Importing it does no work. The names below are loaded when they are first used, so that a program which needs only one
of them, such as `omni --help`, does not pay for all.
"""

from __future__ import annotations

# As `typing` has it; not from there, since `omni` cannot answer Ctrl-C before this module is loaded.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from omnidaemon.app.context import Context
    from omnidaemon.bootstrap.settings import Settings, load_settings
    from omnidaemon.domain.outcome import Reject, Retry
    from omnidaemon.domain.policy import DeliveryPolicy
    from omnidaemon.domain.result import TaskResult
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

__all__ = [
    "Context",
    "DeliveryPolicy",
    "OmniDaemonSDK",
    "Reject",
    "Retry",
    "Settings",
    "TaskResult",
    "load_settings",
]

_HOMES = {
    "Context": "omnidaemon.app.context",
    "DeliveryPolicy": "omnidaemon.domain.policy",
    "OmniDaemonSDK": "omnidaemon.entrypoints.sdk",
    "Reject": "omnidaemon.domain.outcome",
    "Retry": "omnidaemon.domain.outcome",
    "Settings": "omnidaemon.bootstrap.settings",
    "TaskResult": "omnidaemon.domain.result",
    "load_settings": "omnidaemon.bootstrap.settings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as late as everything else here

    return getattr(import_module(_HOMES[name]), name)
