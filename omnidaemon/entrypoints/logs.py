"""Logging for programs that OmniDaemon runs itself: one readable line per record, on stderr."""

from __future__ import annotations

import sys

from loguru import logger

from omnidaemon.adapters.telemetry.loguru_telemetry import LIBRARY

_FORMAT = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {message}"


def configure_logs(level: str) -> None:
    """Send records of this level and above to stderr. Replaces whatever loguru was set to, so it is called by the
    entrypoints that own the process alone; a program that embeds OmniDaemon sets loguru up as it likes."""
    logger.remove()
    logger.add(sys.stderr, level=level, format=_FORMAT, backtrace=False, diagnose=False)
    logger.enable(LIBRARY)
