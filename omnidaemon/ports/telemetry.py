"""What the application tells of itself while it works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How much a person should care."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Telemetry(ABC):
    """A log of sentences with fields. Callable from any thread; never raises; never given payloads or secrets."""

    @abstractmethod
    def say(self, level: Level, message: str, **fields: object) -> None:
        """Log one sentence. The fields are kept apart from it, for machines."""

    @abstractmethod
    def logger(self, **fields: object) -> Any:
        """A logger for people's agents, bound to these fields."""
