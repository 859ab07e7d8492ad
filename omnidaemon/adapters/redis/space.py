"""What the ports of one storage share: the connection, the clock, and the loop of deciding and comparing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from omnidaemon.adapters.redis.asking import Shape
from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.doorbell import Doorbell
from omnidaemon.adapters.redis.faults import BACKEND, MOST_ROUNDS
from omnidaemon.adapters.redis.forms import Kept, pairs, subscription_of
from omnidaemon.adapters.redis.guarding import KeptGuard
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.adapters.redis.schema_version import SchemaVersion
from omnidaemon.adapters.redis.server_clock import ServerClock, said
from omnidaemon.adapters.redis.view import View
from omnidaemon.adapters.redis.writes import Writes
from omnidaemon.domain.agent import AgentRecord
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.gates import Gates
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import Request
from omnidaemon.domain.run import RunKey
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.codec import Codec

T = TypeVar("T")

_MOST_AHEAD_SECONDS: Final = 0.2
_MOST_BEHIND_SECONDS: Final = 1.0
"""How far the time of a decision may be off the server's when it arrives. It is behind by the way there, which only
makes a lease shorter; ahead, a run would come due too early."""

_LONGEST_PAUSE_SECONDS: Final = 0.05


class Outdated(Exception):
    """A task that was decided upon as a whole is another by now; the caller reads it again."""


class RedisSpace:
    """Of one event loop. `held` are the runs that were granted over this object, as the server keeps them, so that
    their owner's next call need not ask first. `shape` is what the next listing expects, after those before it."""

    def __init__(self, url: str, context: BackendContext) -> None:
        self.connection = RedisConnection(url)
        self.keys = Keys(context.namespace)
        self.version = SchemaVersion(self.connection, self.keys)
        self.codec: Codec = context.codec
        self.gates = Gates()
        self.clock = ServerClock()
        self.doorbell = Doorbell(self.connection, self.keys, context.clock, self.codec)
        self.guard = KeptGuard()
        self.held: dict[RunKey, Kept] = {}
        self.agents: dict[Subscription, AgentRecord] = {}
        self.shape = Shape()
        self._revision = "0"

    async def open(self) -> None:
        """Connect, and refuse the data of another version."""
        await self.connection.open()
        try:
            await self.census()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close what open() opened."""
        await self.doorbell.close()
        await self.connection.close()

    # --- calls --------------------------------------------------------------------------------------------------------

    async def script(self, name: str, *args: Any) -> Any:
        """Run a script on this namespace."""
        reply = await self.connection.script(packaged_script(name), (self.keys.prefix,), args)
        if not self.version.is_known:
            await self.version.look()
        return reply

    async def first_script(self, name: str, *args: Any) -> Any:
        """Run a script that may be the first to write on this namespace."""
        if not self.version.is_known:
            await self.version.claim()
        return await self.script(name, *args)

    async def settle(
        self,
        view: View,
        decide: Callable[[Instant], tuple[T, Writes]],
        *,
        request: Request | None = None,
    ) -> T:
        """Decide upon the view and write, again for as long as the view was wrong; what was decided at last.

        Raises `StaleRequest` for an overtaken request, `Outdated` when a whole task that was decided upon is another
        now.
        """
        for round_ in range(MOST_ROUNDS):
            now = self.clock.now()
            answer, writes = decide(now)
            if await self.apply(view, writes, now, request=request):
                return answer
            if round_:
                await self.pause(round_)
        raise self.too_busy()

    async def apply(self, view: View, writes: Writes, now: Instant, *, request: Request | None = None) -> bool:
        """Write, if all is as expected; else False, and the view knows more than before."""
        expected: list[Any] = ["clock", repr(now.steady), _MOST_AHEAD_SECONDS, _MOST_BEHIND_SECONDS]
        lane = [] if request is None else ["lane", request.incarnation, request.lane, request.counter]
        expected += lane
        if writes.touched is not None:
            expected += self.guard.expectation(writes.touched)
        if writes.rests_on_agents:
            expected += ["agents", self._revision]
        words = (*expected, *view.expectations(), "write", *lane[:1], *writes.words)
        if not self.version.is_known:
            await self.version.claim()
        reply = await self.connection.script(packaged_script("apply"), (self.keys.prefix, *writes.keys), words)
        status, seconds, microseconds, changed = reply
        self.clock.learn(seconds, microseconds)
        if status == b"ok":
            if writes.touched is not None:
                self.guard = writes.touched.heard(said(seconds, microseconds))
            return True
        if status == b"lane" and request is not None:
            self.gates.admit(request, changed[0])
        self._learn(view, changed if status == b"changed" else ())
        return False

    def _learn(self, view: View, changed: Sequence[Any]) -> None:
        for told in changed:
            match told[0]:
                case b"run":
                    view.learn(told)
                case b"guard":
                    self.guard = KeptGuard.told(told[1], told[2])
                case b"agents":
                    self.know_agents(told[1], told[2])
                case _:
                    raise Outdated

    async def pause(self, round_: int) -> None:
        """Step aside for those who decide upon the same."""
        await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.002 * 2**round_)))  # noqa: S311 - jitter

    def too_busy(self) -> BackendUnavailable:
        """The error after so many rounds, each of which somebody else has won."""
        reason = f"in {MOST_ROUNDS} rounds, others were faster each time or the decision arrived too late"
        return BackendUnavailable(BACKEND, self.connection.location, reason)

    def writes(self, now: Instant, view: View) -> Writes:
        """An empty set of writes over this view."""
        return Writes(self.codec, now, view.kept, view.logged)

    # --- agents -------------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> str:
        """Which state of the registry `agents` are."""
        return self._revision

    def know_agents(self, revision: bytes, flat: Sequence[bytes], *, asked: str | None = None) -> None:
        """Take in the registry as a script tells it; where it was asked about a revision, that has none if it is the
        same, whatever is known by now."""
        if revision.decode() not in (asked, self._revision):
            loaded = ((subscription_of(name), self.codec.load(raw, AgentRecord)) for name, raw in pairs(flat).items())
            self.agents = dict(sorted(loaded, key=lambda each: each[0]))
            self._revision = revision.decode()

    async def census(self) -> tuple[Instant, Mapping[bytes, bytes], Collection[bytes]]:
        """Read the registry; gives the time, the workers' heartbeats, and which of them shall drain."""
        seconds, microseconds, revision, agents, workers, drains = await self.script("census")
        self.know_agents(revision, agents)
        return self.clock.note(seconds, microseconds), pairs(workers), frozenset(drains)
