"""What each step does, to the world and to the store; the store's answers are checked as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs

from omnidaemon.domain.errors import Conflict, NotFound, StaleRequest
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, HoldRun, StartRun
from omnidaemon.ports.run_commands import RunCommands
from omnidaemon.ports.run_store import RunStore
from omnidaemon.testing.model.checks import Runs, check_grant, check_recorded
from omnidaemon.testing.model.steps import Step
from omnidaemon.testing.model.world import (
    LEASE_SECONDS,
    QUESTION,
    SPAN,
    TICK_SECONDS,
    Call,
    Lane,
    Message,
    Phase,
    Worker,
    World,
)

Answer = Grant | Claims | bool | None


class Stage(Protocol):
    """The store that the world meets: one connection per worker, commands, time, and a look at all runs."""

    commands: RunCommands

    def runs(self, worker: int) -> RunStore:
        """The connection of this worker."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let time pass for the store."""
        ...

    async def look(self, world: World) -> Runs:
        """The runs as they are."""
        ...


def touches_store(step: Step) -> bool:
    """Whether the step says anything to the store."""
    return step.act not in _WITHOUT_STORE and step.reply != "delayed"


async def act(step: Step, world: World, stage: Stage) -> World:
    """The world after this step. Raises `Violation` when the store's answer breaks a promise."""
    if step.fault:
        world = world.spend(step.fault)
    return await _ACTS[step.act](step, world, stage)


# --- gate calls -------------------------------------------------------------------------------------------------------


async def _call(step: Step, world: World, stage: Stage) -> World:
    """A new call of the lane that the step is about, with what becomes of its reply."""
    lane = Lane(step.act)
    worker = world.workers[step.worker]
    request, worker = worker.next_request(lane)
    call = Call(request)
    match lane:
        case Lane.BEGIN:
            call = attrs.evolve(call, message=step.message, is_idle=worker.free_slots <= 0)
        case Lane.CLAIM:
            call = attrs.evolve(call, limits=_limits(world, worker), is_idle=worker.is_alone)
        case Lane.FINISH:
            assert step.holding is not None
            assert step.outcome is not None
            decision = world.policy.decide(step.holding.counts, step.outcome)
            finish = Finish(
                task_id=step.holding.key[0], agent=step.holding.key[1], fence=step.holding.fence, decision=decision
            )
            call = attrs.evolve(call, finish=finish)
            worker = attrs.evolve(worker, holdings=tuple(h for h in worker.holdings if h is not step.holding))
        case Lane.RELEASE:
            call = attrs.evolve(call, held=tuple(holding.as_held for holding in worker.holdings))
            worker = attrs.evolve(worker, holdings=())
    world = world.with_worker(step.worker, worker)
    if step.reply == "heard":
        return _heard(call, await _send(call, world, step.worker, stage), world, step.worker)
    world = world.with_worker(step.worker, attrs.evolve(worker, calls=(*worker.calls, call)))
    if step.reply == "delayed":
        return attrs.evolve(world, ghosts=(*world.ghosts, call))
    await _send(call, world, step.worker, stage)
    return world


def _limits(world: World, worker: Worker) -> tuple[ClaimLimit, ...]:
    return tuple(
        ClaimLimit(
            subscription=subscription,
            slots=worker.free_slots,
            lease_seconds=LEASE_SECONDS,
            crash_limit=world.policy.crash_limit,
        )
        for subscription in worker.agents
    )


async def _send(call: Call, world: World, index: int, stage: Stage) -> Answer:
    """Carry the call out. The store's answer, checked against the runs as they are then."""
    runs = stage.runs(index)
    answer: Answer
    match call.lane:
        case Lane.BEGIN:
            assert call.message is not None
            (answer,) = await runs.begin(call.request, [_intake(call, call.message, world, index)])
        case Lane.CLAIM:
            answer = await runs.claim_due(call.request, call.limits, SPAN, is_idle=call.is_idle)
        case Lane.FINISH:
            assert call.finish is not None
            before = await stage.look(world)
            (answer,) = await runs.finish(call.request, [call.finish])
            check_recorded(call, before, is_recorded=answer)
        case Lane.RELEASE:
            answer = None
            await runs.release(call.request, call.held)
    return answer


def _intake(call: Call, message: Message, world: World, index: int) -> StartRun | HoldRun:
    subscription = next(s for s in world.workers[index].agents if s.agent == message.key[1])
    task = world.task(message.key)
    if call.is_idle:  # no slot is free: the run waits in the store
        return HoldRun(task=task, subscription=subscription)
    return StartRun(task=task, subscription=subscription, lease_seconds=LEASE_SECONDS)


def _heard(call: Call, answer: Answer, world: World, index: int) -> World:
    """The world after the worker has heard the answer."""
    worker = world.workers[index]
    worker = attrs.evolve(worker, calls=tuple(each for each in worker.calls if each is not call))
    grants: tuple[Grant, ...] = ()
    match answer:
        case Grant():
            grants = (answer,)
        case Claims(grants=grants, has_last_chance=has_last_chance):
            is_suspect = any(world.policy.is_last_chance(grant.run.crashes) for grant in grants)
            worker = attrs.evolve(worker, is_alone=(call.is_idle and is_suspect) or has_last_chance)
    for grant in grants:
        check_grant(grant, worker, world)
    worker = worker.with_grants(grants, world.policy)
    world = world.with_worker(index, worker)
    if call.message is not None and Message(call.message.key, index) in world.messages:
        world = world.without(Message(call.message.key, index))
    started = {grant.run.key for grant in grants} & {h.key for h in worker.holdings if h.phase is Phase.RUNNING}
    return attrs.evolve(world, executed=world.executed | started) if started else world


async def _again(step: Step, world: World, stage: Stage) -> World:
    """The call whose reply was lost, once more."""
    call = next(call for call in world.workers[step.worker].calls if call.lane is step.lane)
    return _heard(call, await _send(call, world, step.worker, stage), world, step.worker)


async def _ghost(step: Step, world: World, stage: Stage) -> World:
    """A delayed call arrives; nobody hears its reply."""
    call = world.ghosts[step.ghost]
    world = attrs.evolve(world, ghosts=(*world.ghosts[: step.ghost], *world.ghosts[step.ghost + 1 :]))
    index = next(i for i, worker in enumerate(world.workers) if call.request.incarnation[:2] == worker.incarnation[:2])
    with contextlib.suppress(StaleRequest):
        await _send(call, world, index, stage)
    return world


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
    **{lane.value: _call for lane in Lane},
    "again": _again,
    "ghost": _ghost,
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
