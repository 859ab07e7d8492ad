"""Telemetry by loguru: silent until an entrypoint configures it."""

from __future__ import annotations

from typing import Any

from loguru import logger

from omnidaemon.ports.telemetry import Level, Telemetry

LIBRARY = "omnidaemon"
"""The name under which loguru switches the library's own lines on and off."""


class LoguruTelemetry(Telemetry):
    """One loguru record per sentence; the fields are in its `extra`."""

    def say(self, level: Level, message: str, **fields: object) -> None:
        # Braces in a message, such as those of an exception's text, are no placeholders: nothing is formatted here. The
        # record names whoever calls this, by whose module people sift what is logged.
        logger.bind(**fields).opt(depth=1).log(level.value, message)

    def logger(self, **fields: object) -> Any:
        return logger.bind(**fields)
