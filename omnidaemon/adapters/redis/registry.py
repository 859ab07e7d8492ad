"""The registry over the server: a hash of agents under one revision, and a hash of heartbeats."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from omnidaemon.adapters.redis.faults import MOST_ROUNDS
from omnidaemon.adapters.redis.reading import read
from omnidaemon.adapters.redis.space import Outdated, RedisSpace
from omnidaemon.adapters.redis.view import View
from omnidaemon.adapters.redis.writes import Writes
from omnidaemon.domain.agent import (
    WORKERS_REMEMBERED,
    AgentProfile,
    AgentRecord,
    DesiredState,
    Start,
    WorkerRecord,
    WorkerReport,
    found_agent,
    registered,
)
from omnidaemon.domain.errors import BackendUnavailable, WorkerNotFound
from omnidaemon.domain.instant import Instant, moment
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import abandoned, withdrawn
from omnidaemon.domain.states import RunState
from omnidaemon.ports.registry import AgentRegistry, Census

_WITHDRAWN_AT_ONCE: Final = 200
_ABANDONED_AT_ONCE: Final = 200


class RedisRegistry(AgentRegistry):
    """What changes the agents rests on the revision that it was decided upon."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        self._epoch: bytes | None = None

    async def register(self, profiles: Sequence[AgentProfile]) -> Mapping[Subscription, Start]:
        records = await self._change(lambda known, now: registered(profiles, known, now.at))
        return {subscription: record.declaration for subscription, record in records.items()}

    async def declared(self, subscriptions: Sequence[Subscription]) -> None:
        await self._change(
            lambda known, _: {s: attrs.evolve(known[s], is_declared=True) for s in subscriptions if s in known}
        )

    async def desire(self, subscriptions: Sequence[Subscription], *, is_stopped: bool) -> None:
        def wanted(known: Mapping[Subscription, AgentRecord], _: Instant) -> dict[Subscription, AgentRecord]:
            return {s: found_agent(known, s).desired(is_stopped=is_stopped) for s in subscriptions}

        await self._change(wanted, rings=True)

    async def _change(
        self,
        decide: Callable[[Mapping[Subscription, AgentRecord], Instant], Mapping[Subscription, AgentRecord]],
        *,
        rings: bool = False,
    ) -> Mapping[Subscription, AgentRecord]:
        space = self._space
        await space.census()  # an error for an unknown agent must not come of an old revision
        view = View(space.codec, {})

        def work(now: Instant) -> tuple[Mapping[Subscription, AgentRecord], Writes]:
            records = decide(space.agents, now)
            writes = space.writes(now, view)
            writes.rests_on_agents = True
            writes.agents({s: space.codec.dump(record) for s, record in records.items()})
            if rings:
                writes.ring()
            return records, writes

        return await space.settle(view, work)

    async def beat(self, report: WorkerReport) -> DesiredState:
        space = self._space
        words = (report.incarnation, space.codec.dump(report), space.revision, secrets.token_hex(8))
        epoch, is_drained, *told = await space.first_script("beat", *words)
        if len(told) > 1:
            space.know_agents(*told)
        has_lost_data = self._epoch not in (None, epoch)
        if has_lost_data:
            space.version.forget()
            await space.version.claim()
        self._epoch = epoch
        if has_lost_data:
            return DesiredState(has_lost_data=True)
        return DesiredState.of(space.agents, report.drained() if is_drained else report)

    async def leave(self, incarnation: str) -> None:
        keys, command = self._space.keys, self._space.connection.command
        await command("HDEL", keys.of("workers"), incarnation)
        await command("SREM", keys.of("drains"), incarnation)
        await command("UNLINK", keys.of("lanes", incarnation))

    async def census(self) -> Census:
        space = self._space
        now, heartbeats, drains = await space.census()
        workers: list[WorkerRecord] = []
        for incarnation, heartbeat in sorted(heartbeats.items()):
            seen, _, report = heartbeat.partition(b" ")
            seen_at = moment(int(seen))
            if seen_at >= now.at - WORKERS_REMEMBERED:
                told = space.codec.load(report, WorkerReport)
                kept = told.drained() if incarnation in drains else told
                workers.append(WorkerRecord.seen(kept, seen_at, now.at))
        return Census(agents=tuple(space.agents.values()), workers=tuple(workers))

    async def drain(self, incarnations: Sequence[str]) -> None:
        if incarnations:
            unknown = await self._space.script("drain", *incarnations)
            if unknown is not None:
                raise WorkerNotFound(unknown.decode())

    # --- removal ------------------------------------------------------------------------------------------------------

    async def remove(self, subscription: Subscription, heir: Subscription | None = None) -> None:
        """In steps, so that many runs do not hold up everybody else; the agent goes with the last of them. Whoever is
        killed in between has cancelled some of its runs, and asks again."""
        space = self._space
        leaving = space.keys.of("leaving")
        for round_ in range(MOST_ROUNDS):
            await space.census()
            found_agent(space.agents, subscription)
            revision = space.revision
            # Under this revision no publication names the agent any more: what is abandoned now stays all that was.
            await space.connection.command("HSET", leaving, str(subscription), revision)
            # Those that wait for the agent by name, and those that wait for the topic's first ones.
            await self._abandon(subscription, str(subscription))
            await self._abandon(subscription, f"{subscription.topic}/")
            if await self._is_withdrawn(subscription, heir, revision):
                with contextlib.suppress(BackendUnavailable):  # of no account any more: the revision is another
                    await space.connection.command("HDEL", leaving, str(subscription))
                return
            await space.pause(round_)
        raise space.too_busy()

    async def _is_withdrawn(self, subscription: Subscription, heir: Subscription | None, revision: str) -> bool:
        """Withdraw the agent's runs, and the agent with the last of them; False when the registry is another by now."""
        lost_rounds = 0
        while self._space.revision == revision:
            try:
                is_done, is_last = await self._remove_some(subscription, heir, revision)
            except Outdated:
                is_done, is_last = False, False
            if is_done and is_last:
                return True
            lost_rounds = 0 if is_done else lost_rounds + 1
            if lost_rounds > MOST_ROUNDS:
                raise self._space.too_busy()
            if lost_rounds:
                await self._space.pause(lost_rounds)
        return False

    async def _abandon(self, subscription: Subscription, index: str) -> None:
        """Cancel the tasks of this index that nobody else had to begin."""
        space, place, lost_rounds = self._space, 0, 0
        while True:
            rows = await space.connection.command(
                "ZRANGEBYSCORE",
                space.keys.of("unbegun", index),
                f"({place}",
                "+inf",
                "WITHSCORES",
                "LIMIT",
                0,
                _ABANDONED_AT_ONCE,
            )
            reading = await read(space, [task_id.decode() for task_id, _ in rows])
            await space.census()
            changes = abandoned(reading.records.values(), found_agent(space.agents, subscription), reading.now)
            view = reading.view(space, changes.cancel_marks)
            writes = space.writes(reading.now, view)
            writes.rests_on_agents = True
            writes.add(changes)
            try:
                is_done = not changes.cancel_marks or await space.apply(view, writes, reading.now)
            except Outdated:
                is_done = False
            if is_done:
                if len(rows) < _ABANDONED_AT_ONCE:
                    return
                place, lost_rounds = int(rows[-1][1]), 0
                continue
            lost_rounds += 1
            if lost_rounds > MOST_ROUNDS:
                raise space.too_busy()
            await space.pause(lost_rounds)

    async def _remove_some(
        self, subscription: Subscription, heir: Subscription | None, revision: str
    ) -> tuple[bool, bool]:
        """Withdraw some of the agent's runs: whether that was done, and whether the agent has gone with them."""
        space = self._space
        task_ids = await self._open_tasks(subscription)
        reading = await read(space, task_ids)
        keys = [(task_id, subscription.agent) for task_id in reading.records]
        runs = [
            run
            for key in keys
            if key in reading.kept and (run := reading.kept[key].run) and not run.is_cancel_requested
        ]
        view = View(space.codec, {run.key: reading.kept[run.key] for run in runs})
        if heir is not None:
            inherited = [(run.task_id, heir.agent) for run in runs]
            view.kept.update((key, reading.kept[key]) for key in inherited if key in reading.kept)
            view.expect_absent(inherited)
        writes = space.writes(reading.now, view)
        writes.add(withdrawn(runs, heir, view.found, reading.now))
        is_last = len(task_ids) < _WITHDRAWN_AT_ONCE
        if is_last:
            writes.rests_on_agents = True
            writes.agents({subscription: b""})
        writes.ring()
        if space.revision != revision:  # since the reading told so
            return False, False
        return await space.apply(view, writes, reading.now), is_last

    async def _open_tasks(self, subscription: Subscription) -> list[str]:
        """Some of the tasks of which the agent's run has not ended; those that run last, since they stay open."""
        task_ids: list[str] = []
        states = (RunState.QUEUED, RunState.RETRYING, RunState.WAITING, RunState.RUNNING)
        for state in states:
            index = self._space.keys.of("in", state.value, str(subscription))
            left = -1 if state is RunState.RUNNING else _WITHDRAWN_AT_ONCE - len(task_ids) - 1
            if state is RunState.RUNNING and len(task_ids) >= _WITHDRAWN_AT_ONCE:
                break
            if left >= 0 or state is RunState.RUNNING:
                task_ids += [i.decode() for i in await self._space.connection.command("ZRANGE", index, 0, left)]
        return task_ids
