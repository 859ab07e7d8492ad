"""A worker's calls on the gates: sent, heard or lost, repeated, and delayed. The store's answers are checked as they
come."""

from __future__ import annotations

import contextlib

import attrs

from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, HoldRun, StartRun
from omnidaemon.testing.model.checks import check_grant, check_recorded
from omnidaemon.testing.model.stage import Stage
from omnidaemon.testing.model.steps import Step
from omnidaemon.testing.model.world import LEASE_SECONDS, SPAN, Call, Lane, Message, Phase, Worker, World

Answer = Grant | Claims | bool | None


async def call(step: Step, world: World, stage: Stage) -> World:
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


async def again(step: Step, world: World, stage: Stage) -> World:
    """The call whose reply was lost, once more."""
    call = next(call for call in world.workers[step.worker].calls if call.lane is step.lane)
    return _heard(call, await _send(call, world, step.worker, stage), world, step.worker)


async def ghost(step: Step, world: World, stage: Stage) -> World:
    """A delayed call arrives; nobody hears its reply."""
    call = world.ghosts[step.ghost]
    world = attrs.evolve(world, ghosts=(*world.ghosts[: step.ghost], *world.ghosts[step.ghost + 1 :]))
    index = next(i for i, worker in enumerate(world.workers) if call.request.incarnation[:2] == worker.incarnation[:2])
    with contextlib.suppress(StaleRequest):
        await _send(call, world, index, stage)
    return world
