"""The import path of the harness for tests of one's own agents."""

from omnidaemon.entrypoints.harness import TestHarness

__all__ = ["TestHarness"]
