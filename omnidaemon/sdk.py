"""The import path of the SDK."""

from omnidaemon.entrypoints.sdk import OmniDaemonSDK

__all__ = ["OmniDaemonSDK"]
