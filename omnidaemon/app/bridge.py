"""What crosses between the engine's loop and the agents' loop, in batches, one hop each way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum, auto

from omnidaemon.app.agents import Agent
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import Outcome
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import Value


class StopReason(Enum):
    """Why an attempt shall stop."""

    REQUESTED = auto()
    LOST = auto()
    DRAINING = auto()
    TIMED_OUT = auto()


class Assignment(Value, eq=False, gc=True):
    """One attempt to execute; `limit_seconds` counts from the handler's start."""

    grant: Grant
    task: Task
    agent: Agent
    limit_seconds: float | None


class Report(Value, eq=False):
    """What an attempt came to, and the handler's own running time. The grant is named, since a newer one of the same
    run may be under way."""

    grant: Grant
    outcome: Outcome
    seconds: float = 0.0


class Workforce(ABC):
    """The agents' side as the engine sees it. Callable from the engine's loop; none of it waits."""

    @abstractmethod
    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Execute these, each as soon as its agent has a slot for it."""

    @abstractmethod
    def waiting(self, subscription: Subscription) -> Sequence[Assignment]:
        """Those that wait for a slot of this agent, in order."""

    @abstractmethod
    def take_back(self, assignments: Sequence[Assignment]) -> Sequence[Assignment]:
        """Do not execute these; which of them were still waiting, so that nothing will ever be reported of them."""

    @abstractmethod
    def stop(self, keys: Sequence[RunKey], reason: StopReason) -> None:
        """Cancel these attempts, if they wait or are under way."""
