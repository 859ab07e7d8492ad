"""A worker's engine: brings runs to its agents and their outcomes to the store, from its start to its leaving."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report, Workforce
from omnidaemon.app.lag import LagWatch
from omnidaemon.app.loops import EngineOptions, Loops, cancelled
from omnidaemon.app.notifications import NotifyingTerms
from omnidaemon.domain.agent import WorkerReport
from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import EventBus, Inbox
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.notifier import LONGEST_SEND_SECONDS
from omnidaemon.ports.run_store import Wakeups
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Level, Telemetry


class Engine:
    """Belongs to the loop that calls start(). Started means ready: declared, subscribed, heard by the registry.

    Stopping is cooperative: take nothing more, let what runs finish within the grace, give the rest back, say goodbye
    last, so that no other worker takes it for dead while it still records.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        storage: Storage,
        agents: Mapping[Subscription, Agent],
        workforce: Workforce,
        culprit: Callable[[], str],
        agents_loop: asyncio.AbstractEventLoop,
        clock: Clock,
        telemetry: Telemetry,
        notifying: NotifyingTerms,
        options: EngineOptions,
    ) -> None:
        self._bus = bus
        self._storage = storage
        self._agents = agents
        self._telemetry = telemetry
        self._options = options
        self._started_at: datetime = clock.now().at
        self._is_asked_to_stop = asyncio.Event()
        self._release_now = asyncio.Event()
        self._is_draining = False
        self._is_known = False
        self._inbox: Inbox | None = None
        self._wakeups: Wakeups | None = None
        lag = LagWatch(agents_loop=agents_loop, culprit=culprit, telemetry=telemetry, on_closed=self._hurry_out)
        self._loops = Loops(
            bus=bus,
            storage=storage,
            agents=agents,
            workforce=workforce,
            lag=lag,
            clock=clock,
            telemetry=telemetry,
            notifying=notifying,
            options=options,
            report=self.report,
            on_drained=self._drain_as_wanted,
            declare=self._declare,
        )

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register and declare the agents, subscribe, and begin. Raises what keeps the worker from working at all; then
        as when it is cancelled, nothing of it is left behind."""
        try:
            await self._declare()
            self._is_known = True  # perhaps: an answer may be lost
            await self._loops.presence.beat()
            self._inbox = await self._bus.subscribe(tuple(self._agents))
            self._wakeups = self._storage.runs.wakeups()
        except BaseException:
            await self._leave()
            raise
        self._loops.start(self._inbox, self._wakeups)

    async def asked_to_stop(self) -> None:
        """Return once it shall stop: somebody here wants it, or by the registry, or nobody is left to execute
        anything."""
        await self._is_asked_to_stop.wait()

    def request_stop(self) -> None:
        """Have asked_to_stop() return; the second time, release_now()."""
        if self._is_asked_to_stop.is_set():
            self.release_now()
        self._is_asked_to_stop.set()

    def release_now(self) -> None:
        """Cut the grace short: what still runs is given back at once."""
        self._release_now.set()

    def _drain_as_wanted(self) -> None:
        if not self._is_asked_to_stop.is_set():
            self._telemetry.say(Level.INFO, "somebody wants this worker drained: it takes nothing more and leaves")
            self._is_asked_to_stop.set()

    def _hurry_out(self) -> None:
        self.release_now()
        self._is_asked_to_stop.set()

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back unfinished. Not to be called twice."""
        self._is_draining = True
        grace_ends = asyncio.get_running_loop().time() + self._options.drain_seconds
        self._loops.stop_taking()
        self._say_what_is_waited_for()
        await self._within_grace(self._loops.drained())
        await self._loops.end_taking()
        given_back = sum(not holding.has_returned for holding in self._loops.custody.owned())
        await self._last_word("deliveries were not given back", self._close_inbox())
        await self._last_word(f"{given_back} runs were not given back", self._loops.finishes.release_all())
        await self._tell(grace_ends)
        await cancelled(self._loops.keepers)
        await self._leave()
        return given_back

    def _say_what_is_waited_for(self) -> None:
        if (running := self._loops.custody.executing) and not self._release_now.is_set():
            runs = "1 run" if running == 1 else f"{running} runs"
            longest = duration_text(self._options.drain_seconds)
            self._telemetry.say(Level.INFO, f"waiting for {runs} to end, for {longest} at most")

    async def _within_grace(self, done: Awaitable[None]) -> None:
        """Wait for it, for no longer than the grace, and no longer than nobody is in a hurry."""
        finished = asyncio.ensure_future(done)
        hurried = asyncio.ensure_future(self._release_now.wait())
        await asyncio.wait(
            (finished, hurried), timeout=self._options.drain_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await cancelled([finished, hurried])

    async def _tell(self, grace_ends: float) -> None:
        """Give receivers the rest of the grace, at least as long as one of them may take: what is cut off is sent once
        more by somebody else. Somebody in a hurry cuts it off all the same."""
        rest = grace_ends - asyncio.get_running_loop().time()
        telling = asyncio.ensure_future(self._loops.told(max(rest, LONGEST_SEND_SECONDS)))
        hurried = asyncio.ensure_future(self._release_now.wait())
        await asyncio.wait((telling, hurried), return_when=asyncio.FIRST_COMPLETED)
        await cancelled([hurried])
        await self._last_word("somebody was not told of an ended run", telling)

    async def _leave(self) -> None:
        """Let go of everything but the runs."""
        await self._last_word("deliveries were not given back", self._close_inbox())
        if self._wakeups is not None:
            self._wakeups.close()
        if self._is_known:
            leaving = self._storage.registry.leave(self._options.incarnation)
            await self._last_word("the registry did not hear it", leaving)

    async def _last_word(self, otherwise: str, said: Awaitable[object]) -> None:
        """Wait for a store or a bus that is away, but not for ever, and never stay because of one that fails: what
        would have been given back comes back by itself, once its lease or its hold has run out."""
        try:
            await asyncio.wait_for(said, self._options.last_word_seconds)
        except (TimeoutError, OmniDaemonError) as error:
            self._telemetry.say(Level.WARNING, f"while leaving, {otherwise}: {str(error) or 'no answer in time'}")

    # --- what it tells ------------------------------------------------------------------------------------------------

    def take_reports(self, reports: Sequence[Report]) -> None:
        """What attempts came to, from the workforce. On the engine's loop."""
        self._loops.finishes.report(reports)

    def report(self) -> WorkerReport:
        """The worker as its heartbeat shows it."""
        return WorkerReport(
            incarnation=self._options.incarnation,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            subscriptions=tuple(self._agents),
            running=self._loops.custody.executing,
            is_draining=self._is_draining,
            version=self._options.version,
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _declare(self) -> None:
        registry = self._storage.registry
        starts = await registry.register([agent.profile for agent in self._agents.values()])
        await self._bus.declare(starts)
        await registry.declared(tuple(starts))

    async def _close_inbox(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            await inbox.close()
