"""Logging for programs that OmniDaemon runs itself: one readable line per record, on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loguru import logger

from omnidaemon.adapters.telemetry.loguru_telemetry import LIBRARY
from omnidaemon.entrypoints.safe_text import printable

if TYPE_CHECKING:
    from loguru import Record

_FORMAT = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {message}"


def configure_logs(level: str) -> None:
    """Send records of this level and above to stderr. Replaces whatever loguru was set to, so it is called by the
    entrypoints that own the process alone; a program that embeds OmniDaemon sets loguru up as it likes."""
    logger.remove()
    logger.configure(patcher=_make_printable)
    logger.add(sys.stderr, level=level, format=_FORMAT, backtrace=False, diagnose=False)
    logger.enable(LIBRARY)


def _make_printable(record: Record) -> None:
    """Our own lines quote what agents raise, which must not drive the terminal. What agents log is their own affair."""
    if (record["name"] or "").partition(".")[0] == LIBRARY:
        record["message"] = printable(record["message"])
