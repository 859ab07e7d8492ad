"""The gates that workers pass: begin, claim, renew, finish, release. Each is one atomic call for a whole batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence

import attrs

from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, Held, Intake, Renewals, Request
from omnidaemon.domain.run import Run
from omnidaemon.domain.standing import TaskStanding


@attrs.frozen
class LeaseSpan:
    """The shortest and the longest lease among a worker's agents, in seconds."""

    shortest_seconds: float
    longest_seconds: float


class Wakeups(ABC):
    """A listener for hints that something in the store or on the bus may be of interest. Hints may be lost, and come
    without a reason."""

    @abstractmethod
    async def wait(self, seconds: float) -> bool:
        """Return True once there was a hint since the last call, False after `seconds` without one."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening; a wait under way returns."""


@attrs.frozen
class Ended:
    """A task of which something has ended; the run, where it was told along, and with it how the task stands, where
    that run is all there is of it."""

    task_id: str
    run: Run | None = None
    standing: TaskStanding | None = None


class Endings(ABC):
    """A listener for what has ended. What it is told may be lost."""

    @abstractmethod
    async def wait(self, seconds: float) -> Sequence[Ended] | None:
        """What has ended since the last call, as soon as there is any, in order; nothing after `seconds` without. None
        when anything may have ended: then one has to look."""

    def pass_on(self, take: Callable[[Sequence[Ended]], None]) -> bool:  # noqa: ARG002 - for those that are told
        """Have this called with what has ended as soon as it is told, on the calling loop; wait() names none then, and
        says as before when one has to look. False where nothing ever is told so: it all comes by wait()."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Stop listening; a wait under way returns."""


class UntoldEndings(Endings):
    """Of a store whose news tell of nothing in particular."""

    def __init__(self, news: Wakeups) -> None:
        self._news = news

    async def wait(self, seconds: float) -> Sequence[Ended] | None:
        """None for a hint."""
        return None if await self._news.wait(seconds) else ()

    def close(self) -> None:
        """Stop listening for hints."""
        self._news.close()


class AckingRunStore(ABC):
    """A store that can ack on the bus beside it in the transaction that begins; an optional second face of a
    `RunStore`, of use where both have the same `transaction_scope`."""

    @abstractmethod
    async def begin_acked(self, request: Request, intakes: Sequence[Intake], acks: object) -> Sequence[Grant | None]:
        """As `RunStore.begin()`, and after it, in the same transaction, as `Inbox.ack()` of the deliveries of which
        `acks` are the `AckableInbox.acks()`: the bus forgets them if and only if the store answers for them."""


class RunStore(ABC):
    """Custody of runs. What each gate decides is `domain.gates`; a store reads, asks there, writes and answers.

    Time is the store's own clock. The same request asked again gets the same answer; a call whose counter is below the
    latest of its lane raises `StaleRequest` and changes nothing. Leases are renewed without a request id: doing it
    twice does no harm.
    """

    @abstractmethod
    async def begin(self, request: Request, intakes: Sequence[Intake]) -> Sequence[Grant | None]:
        """Take custody of deliveries; one answer per intake, in order: a grant to execute, or None for "nothing to
        do". In both cases the delivery may be acked: the store answers for the run from here on, as durably as it can.
        """

    @abstractmethod
    async def claim_due(
        self, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool = False
    ) -> Claims:
        """Grant due runs of the agents named, each up to its slots, the longest due first.

        First takes runs of any agent whose lease has lapsed from their owners (but for those that the lapse guard does
        not judge yet) and counts the crash. A run at its last chance is granted only to a caller that is idle, alone
        and before all others; a busy caller is told by `has_last_chance` that one of its agents has such a run due.
        `next_due_seconds` is when the next run of these agents comes due, or its lease may lapse; at most 60.
        """

    @abstractmethod
    async def renew(self, owner: str, held: Sequence[Held], leases: LeaseSpan) -> Renewals:
        """Renew grants, each for the length of its lease; says which are lost and which were cancelled by somebody.

        Also with nothing held, each quarter of the shortest lease: it touches the lapse guard.
        """

    @abstractmethod
    async def finish(self, request: Request, finishes: Sequence[Finish]) -> Sequence[bool]:
        """Record what grants came to; one answer per finish, in order: whether it was recorded, or the grant was lost.

        Returns once what ended is durable. Asked again, what was recorded is recorded still, with one exception: a run
        that did not end and that somebody has claimed meanwhile counts as lost, which it is for its former owner.
        """

    @abstractmethod
    async def release(self, request: Request, held: Sequence[Held], delay_seconds: float = 0.0) -> None:
        """Give grants back unfinished: due after the delay, no attempt and no crash counted."""

    @abstractmethod
    def wakeups(self) -> Wakeups:
        """A listener of the calling loop, for workers: hinted when there is something for them to do. A run is due, now
        or later; a run shall be cancelled; an end has to be told; a task was delayed; desired states have changed.

        An end by itself is none of that: where a store hints at it here all the same, each batch wakes every worker in
        vain.
        """

    def news(self) -> Wakeups:
        """A listener of the calling loop, for those who follow what happens: hinted when runs end, and at what
        `Changes.is_news` names besides. Of a store with one kind of hints it is `wakeups()`, which then hints at ends
        too."""
        return self.wakeups()

    def endings(self, wanted: Container[str]) -> Endings:  # noqa: ARG002 - for stores that can tell
        """A listener of the calling loop for what ends of the tasks that are in `wanted` at that time. A store that can
        tell them spares those who wait a query for each hint, and the one for the result too."""
        return UntoldEndings(self.news())
