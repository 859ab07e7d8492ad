"""When two states are the same: counters, incarnations and times matter only as far as they can still be compared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.testing.model.world import LEASE_SECONDS, Call, Holding, Worker, World


class StoreState(Protocol):
    """What a storage that can be branched shows of a snapshot of itself."""

    @property
    def runs(self) -> Mapping[RunKey, Run]:
        """All runs."""
        ...

    @property
    def told(self) -> Mapping[str, Notification]:
        """What the outbox has of ended runs, by id. Of no account for what can follow: nothing that is explored
        sends."""
        ...

    @property
    def lanes(self) -> Mapping[tuple[str, str], int]:
        """The latest counter of each (incarnation, lane)."""
        ...

    @property
    def guard(self) -> LapseGuard:
        """The lapse guard."""
        ...

    @property
    def marks(self) -> Hashable:
        """Which tasks are known and cancelled, and which runs have tombstones."""
        ...


def canonical(world: World, store: StoreState, now: Instant) -> Hashable:
    """Equal for states from which the same can follow."""
    runs = store.runs
    names = {worker.incarnation: index for index, worker in enumerate(world.workers)}
    asked = {str(call.request): f"w{i}{call.lane}" for i, worker in enumerate(world.workers) for call in worker.calls}
    asked |= {str(call.request): f"g{i}" for i, call in enumerate(world.ghosts)}
    return (
        tuple(_worker(worker, store) for worker in world.workers),
        world.messages,
        tuple((names.get(call.request.incarnation), *_call(call, store)) for call in world.ghosts),
        tuple(_run(key, runs[key], names, asked, now) for key in sorted(runs)),
        tuple(sorted((key for key in runs if runs[key].is_due(now)), key=lambda key: (runs[key].due_at, key))),
        _guard(store.guard, now.steady),
        store.marks,
        world.faults,
        (world.forbidden, world.executed, world.deleted),
    )


def _worker(worker: Worker, store: StoreState) -> Hashable:
    return (
        frozenset(_holding(holding, store.runs) for holding in worker.holdings),
        frozenset(_call(call, store) for call in worker.calls),
        (worker.is_frozen, worker.is_draining, worker.is_gone, worker.is_alone),
    )


def _holding(holding: Holding, runs: Mapping[RunKey, Run]) -> Hashable:
    return (
        _age(runs, holding.key, holding.fence),
        holding.phase,
        holding.counts.attempts,
        holding.counts.crashes,
        holding.is_answered,
    )


def _call(call: Call, store: StoreState) -> tuple[Hashable, ...]:
    latest = store.lanes.get((call.request.incarnation, call.request.lane), 0)
    finish = call.finish
    return (
        call.lane,
        (latest > call.request.counter) - (latest < call.request.counter),
        call.message,
        call.is_idle,
        tuple(limit.slots for limit in call.limits),
        finish and (_age(store.runs, (finish.task_id, finish.agent), finish.fence), finish.decision),
        tuple(_age(store.runs, (held.task_id, held.agent), held.fence) for held in call.held),
    )


def _age(runs: Mapping[RunKey, Run], key: RunKey, fence: int) -> Hashable:
    """How many grants ago this one was."""
    return (key, runs[key].fence - fence if key in runs else None)


def _run(
    key: RunKey, run: Run, names: Mapping[str, int], asked: Mapping[str, str], now: Instant
) -> tuple[Hashable, ...]:
    return (
        key,
        run.state,
        names.get(run.owner or ""),
        asked.get(run.request or ""),
        run.attempts,
        run.crashes,
        run.is_cancel_requested,
        run.question,
        run.answers,
        None if run.due_at is None else max(0.0, (run.due_at - now.at).total_seconds()),
        None if run.lease_until is None else max(0.0, run.lease_until - now.steady),
    )


def _guard(guard: LapseGuard, now: float) -> Hashable:
    silent = None if guard.last_seen is None else min(now - guard.last_seen, LEASE_SECONDS)
    since = None if guard.resumed_at is None else now - guard.resumed_at
    # Once the longest lease had its grace, it is as if there had been no gap.
    return (silent, None if since is None or since >= LEASE_SECONDS else (since, guard.heard_seconds))
