"""Agents of frameworks, kept ready for a handler."""

from omnidaemon.adapters.frameworks.omnicore import OmniAgentRunner

__all__ = ["OmniAgentRunner"]
