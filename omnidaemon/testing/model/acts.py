"""What each step does, to the world and to the store; the store's answers are checked as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping

import attrs

from omnidaemon.domain.errors import Conflict, NotFound
from omnidaemon.ports.run_store import RunStore
from omnidaemon.testing.model import gate_calls
from omnidaemon.testing.model.stage import Stage
from omnidaemon.testing.model.steps import Step
from omnidaemon.testing.model.world import (
    LEASE_SECONDS,
    QUESTION,
    SPAN,
    TICK_SECONDS,
    Lane,
    Message,
    Phase,
    Worker,
    World,
)


def touches_store(step: Step) -> bool:
    """Whether the step says anything to the store."""
    return step.act not in _WITHOUT_STORE and step.reply != "delayed"


async def act(step: Step, world: World, stage: Stage) -> World:
    """The world after this step. Raises `Violation` when the store's answer breaks a promise."""
    if step.fault:
        world = world.spend(step.fault)
    return await _ACTS[step.act](step, world, stage)


# --- workers ----------------------------------------------------------------------------------------------------------


async def _receive(step: Step, world: World, _: Stage) -> World:
    assert step.message is not None
    return world.without(step.message).with_message(attrs.evolve(step.message, holder=step.worker))


async def _crash(step: Step, world: World, _: Stage) -> World:
    worker = world.workers[step.worker]
    heir = attrs.evolve(worker.reborn(), is_gone=world.crashes_are_final)
    return _given_back(world, step.worker).with_worker(step.worker, heir)


async def _drain(step: Step, world: World, _: Stage) -> World:
    worker = attrs.evolve(world.workers[step.worker], is_draining=True, is_alone=False)
    return _given_back(world, step.worker).with_worker(step.worker, worker)


async def _restart(step: Step, world: World, _: Stage) -> World:
    return _given_back(world, step.worker).with_worker(step.worker, world.workers[step.worker].reborn())


def _given_back(world: World, index: int) -> World:
    messages = (Message(m.key) if m.holder == index else m for m in world.messages)
    return attrs.evolve(world, messages=tuple(sorted(messages, key=str)))


async def _freeze(step: Step, world: World, _: Stage) -> World:
    return world.with_worker(step.worker, attrs.evolve(world.workers[step.worker], is_frozen=True))


async def _thaw(step: Step, world: World, _: Stage) -> World:
    return world.with_worker(step.worker, attrs.evolve(world.workers[step.worker], is_frozen=False))


async def _duplicate(step: Step, world: World, _: Stage) -> World:
    assert step.message is not None
    return world.with_message(Message(step.message.key))


# --- time -------------------------------------------------------------------------------------------------------------


async def _tick(_: Step, world: World, stage: Stage) -> World:
    """A quarter of a lease passes, and every live worker renews."""
    await stage.pass_time(TICK_SECONDS)
    for index, worker in enumerate(world.workers):
        if worker.is_awake:
            world = world.with_worker(index, await _renewed(worker, stage.runs(index)))
    return world


async def _renewed(worker: Worker, runs: RunStore) -> Worker:
    pending = [held for call in worker.calls for held in call.grants]
    held = [*pending, *(holding.as_held for holding in worker.holdings)]
    answer = await runs.renew(worker.incarnation, held, SPAN)
    return attrs.evolve(
        worker,
        holdings=tuple(
            attrs.evolve(holding, phase=Phase.STOPPING)
            if holding.key in answer.cancelled and holding.phase is Phase.RUNNING
            else holding
            for holding in worker.holdings
            if holding.key not in answer.lost
        ),
    )


async def _gap(_: Step, world: World, stage: Stage) -> World:
    """Longer than a lease passes, in which the store heard nobody."""
    await stage.pass_time(1.5 * LEASE_SECONDS)
    return world


# --- people -----------------------------------------------------------------------------------------------------------


async def _cancel(step: Step, world: World, stage: Stage) -> World:
    before = await stage.look(world)
    with contextlib.suppress(Conflict, NotFound):
        await stage.commands.cancel(step.task_id)
        fresh = {m.key for m in world.messages if m.key[0] == step.task_id and m.key not in before}
        return attrs.evolve(world, forbidden=world.forbidden | fresh)
    return world


async def _requeue(step: Step, world: World, stage: Stage) -> World:
    with contextlib.suppress(Conflict, NotFound):
        await stage.commands.requeue(step.task_id)
        return attrs.evolve(world, forbidden=frozenset(key for key in world.forbidden if key[0] != step.task_id))
    return world


async def _answer(step: Step, world: World, stage: Stage) -> World:
    agents = {key[1] for key in await stage.look(world) if key[0] == step.task_id}
    for agent in sorted(agents):
        with contextlib.suppress(Conflict, NotFound):
            await stage.commands.answer(step.task_id, agent, QUESTION, b"true")
    return world


async def _delete(step: Step, world: World, stage: Stage) -> World:
    with contextlib.suppress(Conflict, NotFound):
        await stage.commands.delete(step.task_id)
        return attrs.evolve(world, deleted=world.deleted | {step.task_id})
    return world


_ACTS: Mapping[str, Callable[[Step, World, Stage], Awaitable[World]]] = {
    **{lane.value: gate_calls.call for lane in Lane},
    "again": gate_calls.again,
    "ghost": gate_calls.ghost,
    "receive": _receive,
    "crash": _crash,
    "drain": _drain,
    "restart": _restart,
    "freeze": _freeze,
    "thaw": _thaw,
    "duplicate": _duplicate,
    "tick": _tick,
    "gap": _gap,
    "cancel": _cancel,
    "requeue": _requeue,
    "answer": _answer,
    "delete": _delete,
}

_WITHOUT_STORE = frozenset({"receive", "crash", "drain", "restart", "freeze", "thaw", "duplicate"})
