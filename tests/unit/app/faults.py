"""Ports with faults: what is named fails, hangs or loses its answer; everything else is passed on and counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.ports.bus import Inbox
from omnidaemon.ports.telemetry import Level, Telemetry

ALL = "*"
"""Stands for every call of a port."""


def away() -> BackendUnavailable:
    """What a port raises while its backend cannot be reached."""
    return BackendUnavailable("memory", "here", "away for a while")


def broken() -> BackendUnusable:
    """What a port raises that a person has to mend."""
    return BackendUnusable("memory", "here", "corrupt")


class Faulty:
    """Stands before a real port. Calls that are neither failing nor held go through; `calls` counts all that came."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._failures: dict[str, list[BaseException]] = {}
        self._lost: Counter[str] = Counter()
        self._gates: dict[str, asyncio.Event] = {}
        self._late: dict[str, asyncio.Event] = {}
        self._away: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.inbox: Faulty | None = None

    def fail(self, name: str, times: int = 1, error: Callable[[], BaseException] = away) -> None:
        """Let the next calls of this name raise, without doing anything."""
        self._failures.setdefault(name, []).extend(error() for _ in range(times))

    def lose_answers(self, name: str, times: int = 1) -> None:
        """Let the next calls of this name do their work and then raise, as when the reply is lost."""
        self._lost[name] += times

    def hold(self, name: str) -> asyncio.Event:
        """Let calls of this name wait, before they do anything, until the event given back is set."""
        return self._gates.setdefault(name, asyncio.Event())

    def hold_answers(self, name: str) -> asyncio.Event:
        """Let calls of this name do their work, and answer once the event given back is set."""
        return self._late.setdefault(name, asyncio.Event())

    def go_away(self, *names: str) -> None:
        """Let these calls, or all, fail until come_back()."""
        self._away.update(names or (ALL,))

    def come_back(self) -> None:
        """Be well again."""
        self._away.clear()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._port, name)
        if not iscoroutinefunction(real):
            return real

        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            if name in self._gates:
                await self._gates[name].wait()
            if name in self._away or ALL in self._away:
                raise away()
            if failures := self._failures.get(name):
                raise failures.pop(0)
            answer = await real(*arguments, **options)
            if name in self._late:
                await self._late[name].wait()
            if self._lost[name] > 0:
                self._lost[name] -= 1
                raise away()
            if isinstance(answer, Inbox):
                answer = self.inbox = Faulty(answer)
            return answer

        return call


class Sayings(Telemetry):
    """Keeps what was said, and is the logger that agents get."""

    def __init__(self) -> None:
        self.lines: list[tuple[Level, str]] = []
        self.bound: list[dict[str, object]] = []

    def say(self, level: Level, message: str, **fields: object) -> None:
        self.lines.append((level, message))

    def logger(self, **fields: object) -> Any:
        self.bound.append(fields)
        return self

    def having(self, *parts: str) -> list[str]:
        """The lines that contain all of these."""
        return [message for _, message in self.lines if all(part in message for part in parts)]
