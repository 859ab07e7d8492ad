"""Which steps a world can take next. Choosing is here, carrying out in `acts`."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from omnidaemon.domain.outcome import Asked, AttemptError, Expired, Failed, Interrupted, Outcome, Returned
from omnidaemon.testing.model.world import QUESTION, SLOTS, TICK_SECONDS, Holding, Lane, Message, Phase, Worker, World

_ERROR = AttemptError(type="Error", message="failed")
RETURNED = Returned(value=b"1")
FAILED = Failed(error=_ERROR)
ASKED = Asked(question=QUESTION, within_seconds=2 * TICK_SECONDS)
STOPPED = Interrupted(is_requested=True)
EXPIRED = Expired(error=_ERROR)


@attrs.frozen(kw_only=True)
class Step:
    """One thing that may happen. `fault` names what it costs; a step without one is fair: it happens in the end.

    `reply` says what becomes of a gate call: it is heard, "lost" or "delayed".
    """

    act: str
    worker: int = -1
    message: Message | None = None
    holding: Holding | None = None
    outcome: Outcome | None = None
    lane: Lane | None = None
    task_id: str = ""
    ghost: int = -1
    fault: str | None = None
    reply: str = "heard"

    @property
    def is_fair(self) -> bool:
        """Whether liveness may count on it."""
        return self.fault is None and self.act != "ghost"

    def __str__(self) -> str:
        what = self.message or (self.holding and self.holding.key) or self.lane or self.task_id or ""
        outcome = type(self.outcome).__name__ if self.outcome else ""
        reply = "" if self.reply == "heard" else f"reply {self.reply}"
        who = f"w{self.worker}" if self.worker >= 0 else ""
        return " ".join(str(part) for part in (who, self.act, what, outcome, reply) if part)


def steps(world: World) -> Iterator[Step]:
    """Everything that can happen next."""
    for index, worker in enumerate(world.workers):
        if worker.is_awake:
            for step in _gate_calls(world, index, worker):
                yield step
                for fault in ("lost", "delayed"):
                    if getattr(world.faults, fault):
                        yield attrs.evolve(step, reply=fault, fault=fault)
            yield from _own_steps(world, index, worker)
        elif worker.is_frozen:
            yield Step(act="thaw", worker=index)
    yield from _time(world)
    yield from _faults(world)
    yield from _people(world)


def _gate_calls(world: World, index: int, worker: Worker) -> Iterator[Step]:
    busy = {call.lane for call in worker.calls}
    if Lane.BEGIN not in busy and not worker.is_alone:
        for message in _distinct(world, index):
            yield Step(act="begin", worker=index, message=message)
    if Lane.CLAIM not in busy and not worker.is_draining and (not worker.is_alone or worker.free_slots == SLOTS):
        yield Step(act="claim", worker=index)
    if Lane.FINISH not in busy:
        for holding in worker.holdings:
            for outcome in _outcomes(world, holding):
                yield Step(act="finish", worker=index, holding=holding, outcome=outcome)
    if Lane.RELEASE not in busy and worker.is_draining and worker.holdings:
        yield Step(act="release", worker=index)


def _outcomes(world: World, holding: Holding) -> Iterator[Outcome]:
    match holding.phase:
        case Phase.EXPIRED:
            yield EXPIRED
        case Phase.STOPPING:
            yield STOPPED
            yield RETURNED
        case Phase.RUNNING:
            if world.may_ask and not holding.is_answered:
                yield ASKED
            else:
                yield RETURNED
            if world.may_fail:
                yield FAILED


def _own_steps(world: World, index: int, worker: Worker) -> Iterator[Step]:
    for call in worker.calls:
        yield Step(act="again", worker=index, lane=call.lane)
    held = sum(message.holder == index for message in world.messages)
    if not worker.is_draining and not worker.is_alone and worker.free_slots > held:
        agents = {subscription.agent for subscription in worker.agents}
        for message in _distinct(world, None):
            if message.key[1] in agents:
                yield Step(act="receive", worker=index, message=message)
    if worker.is_draining and not worker.holdings and not worker.calls:
        yield Step(act="restart", worker=index)


def _distinct(world: World, holder: int | None) -> Iterator[Message]:
    yield from dict.fromkeys(message for message in world.messages if message.holder == holder)


def _time(world: World) -> Iterator[Step]:
    # A live worker repeats a call within a quarter of a lease, so time does not pass it by.
    if not any(worker.calls for worker in world.workers if worker.is_awake):
        yield Step(act="tick")
    if world.faults.gap:
        yield Step(act="gap", fault="gap")


def _faults(world: World) -> Iterator[Step]:
    faults = world.faults
    for index, worker in enumerate(world.workers):
        has_something = worker.holdings or worker.calls or any(m.holder == index for m in world.messages)
        if faults.crash and not worker.is_gone and has_something:
            yield Step(act="crash", worker=index, fault="crash")
        if faults.freeze and worker.is_awake and (worker.holdings or worker.calls):
            yield Step(act="freeze", worker=index, fault="freeze")
        if faults.drain and worker.is_awake and not worker.is_draining and has_something:
            yield Step(act="drain", worker=index, fault="drain")
    for message in dict.fromkeys(world.messages):
        if faults.duplicate:
            yield Step(act="duplicate", message=message, fault="duplicate")
    for number in range(len(world.ghosts)):
        yield Step(act="ghost", ghost=number)


def _people(world: World) -> Iterator[Step]:
    for task in world.tasks:
        for command in ("cancel", "requeue", "answer", "delete"):
            if getattr(world.faults, command) and task.task_id not in world.deleted:
                yield Step(act=command, task_id=task.task_id, fault=command)
