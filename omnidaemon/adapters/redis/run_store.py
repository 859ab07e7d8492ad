"""The gates over the server: decided here, applied there if nothing has changed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import cast

from omnidaemon.adapters.redis.acks import Acks
from omnidaemon.adapters.redis.claiming import Claiming
from omnidaemon.adapters.redis.forms import ABSENT, UNKNOWN, Kept
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.view import FRESH, View
from omnidaemon.adapters.redis.writes import Writes
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, Held, Intake, Renewals, Request
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.ports.run_store import AckingRunStore, Endings, LeaseSpan, RunStore, Wakeups

_MOST_HELD = 50_000


class RedisRunStore(RunStore, AckingRunStore):
    """A batch costs one round trip as long as deliveries are new, their tasks logged, and a run's owner is the last who
    changed it; else the refusal tells what is so, and a second one settles it."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        # A renewal rests on every run that is held. Finishes that go beside it change one after the other, and on a
        # busy machine it would be refused until the leases have lapsed: so these take turns.
        self._turn = asyncio.Lock()

    async def begin(self, request: Request, intakes: Sequence[Intake]) -> Sequence[Grant | None]:
        return await self._begin(request, intakes, None)

    async def begin_acked(self, request: Request, intakes: Sequence[Intake], acks: object) -> Sequence[Grant | None]:
        return await self._begin(request, intakes, cast("Acks", acks))

    async def _begin(self, request: Request, intakes: Sequence[Intake], acks: Acks | None) -> Sequence[Grant | None]:
        space = self._space
        keys = {(intake.task.task_id, intake.subscription.agent): ABSENT for intake in intakes}
        view = View(space.codec, keys, marks=FRESH)
        moved: dict[RunKey, Kept] = {}

        def decide(now: Instant) -> tuple[Sequence[Grant | None], Writes]:
            answers, changes = space.gates.begin(request, intakes, view.found, view.marks, now)
            writes = space.writes(now, view)
            writes.add(changes)
            moved.clear()
            moved.update(writes.moved)
            if acks is not None:
                writes.forget(acks)
            return answers, writes

        answers = await space.settle(view, decide, request=request)
        # A run that this very request had begun before is held too, though nothing moved it now.
        self._hold({**view.kept, **moved}, request)
        return answers

    async def claim_due(
        self, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool = False
    ) -> Claims:
        claims, kept = await Claiming(self._space, request, limits, leases, is_idle=is_idle).claim()
        self._hold(kept, request)
        return claims

    async def renew(self, owner: str, held: Sequence[Held], leases: LeaseSpan) -> Renewals:
        space = self._space

        def decide(now: Instant) -> tuple[Renewals, Writes]:
            answer, renewed = space.gates.renew(owner, held, view.found, now)
            writes = space.writes(now, view)
            writes.renew(renewed)
            writes.guard(space.guard.touched(now, leases))
            return answer, writes

        async with self._turn:
            view = View(space.codec, self._believed(held))
            answer = await space.settle(view, decide)
        for grant in held:
            key = (grant.task_id, grant.agent)
            kept = view.kept[key]
            if key in answer.lost or kept.run is None:
                self._forget(key, grant.fence)
            else:
                space.held[key] = kept
        return answer

    async def finish(self, request: Request, finishes: Sequence[Finish]) -> Sequence[bool]:
        space = self._space

        def decide(now: Instant) -> tuple[Sequence[bool], Writes]:
            answers, changes = space.gates.finish(request, finishes, view.found, now)
            writes = space.writes(now, view)
            writes.add(changes)
            return answers, writes

        async with self._turn:
            view = View(space.codec, self._believed(finishes))
            answers = await space.settle(view, decide, request=request)
        for finish in finishes:
            self._forget((finish.task_id, finish.agent), finish.fence)
        return answers

    async def release(self, request: Request, held: Sequence[Held], delay_seconds: float = 0.0) -> None:
        space = self._space

        def decide(now: Instant) -> tuple[None, Writes]:
            changes = space.gates.release(request, held, view.found, now, delay_seconds)
            writes = space.writes(now, view)
            writes.add(changes)
            return None, writes

        async with self._turn:
            view = View(space.codec, self._believed(held))
            await space.settle(view, decide, request=request)
        for grant in held:
            self._forget((grant.task_id, grant.agent), grant.fence)

    def wakeups(self) -> Wakeups:
        return self._space.doorbell.wakeups()

    def news(self) -> Wakeups:
        return self._space.doorbell.news()

    def endings(self, wanted: Container[str]) -> Endings:
        return self._space.doorbell.endings(wanted)

    # --- what is held -------------------------------------------------------------------------------------------------

    def _believed(self, named: Iterable[Held | Finish]) -> dict[RunKey, Kept]:
        held = self._space.held
        keys = ((each.task_id, each.agent) for each in named)
        return {key: held.get(key, UNKNOWN) for key in keys}

    def _hold(self, kept: Mapping[RunKey, Kept], request: Request) -> None:
        held = self._space.held
        for key, each in kept.items():
            if each.run is not None and each.run.state is RunState.RUNNING and each.run.owner == request.incarnation:
                held[key] = each
        while len(held) > _MOST_HELD:  # nobody has that many under way: their owner has dropped them
            del held[next(iter(held))]

    def _forget(self, key: RunKey, fence: int) -> None:
        kept = self._space.held.get(key)
        if kept is not None and kept.run is not None and kept.run.fence <= fence:
            del self._space.held[key]
