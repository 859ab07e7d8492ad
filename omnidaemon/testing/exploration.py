"""Model exploration: every order in which workers, faults and people can meet a store, for small worlds.

Breadth first, with the store's real code: each step restores a snapshot, calls a port, checks what came back. Then each
state must have a way to an end that needs no further fault: workers that go on working, and time that passes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import attrs

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import DeliveryPolicy
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_commands import RunCommands
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.task_log import TaskLog
from omnidaemon.testing.model.acts import act, touches_store
from omnidaemon.testing.model.canon import StoreState, canonical
from omnidaemon.testing.model.checks import Runs, Violation, check_runs, check_told, check_world
from omnidaemon.testing.model.steps import Step, steps
from omnidaemon.testing.model.world import LEASE_SECONDS, SPAN, Faults, Message, Worker, World

T = TypeVar("T")
S = TypeVar("S", bound=StoreState)

TOPIC = "explored"
ONE = Subscription(TOPIC, "one")
TWO = Subscription(TOPIC, "two")
BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)


class BranchingStore(Protocol[S]):
    """A storage whose calls answer without waiting, and that can go back to where it was."""

    runs: RunStore
    commands: RunCommands
    log: TaskLog

    def snapshot(self) -> S:
        """The whole state, as a value that later calls do not change."""
        ...

    def restore(self, state: S) -> None:
        """Make this the state again."""
        ...


class SteppedClock(Clock):
    """Stands where the exploration has put it."""

    def __init__(self) -> None:
        self.instant = Instant(BEGINNING, 0.0)

    @property
    def boot_id(self) -> str:
        """There is one boot."""
        return "explored"

    def now(self) -> Instant:
        """The instant of the state that is being explored."""
        return self.instant

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Nothing that is explored waits."""
        raise NotImplementedError(f"wait for {event}, {seconds} s")


@attrs.frozen(kw_only=True)
class Scenario:
    """A small world to explore: its workers' agents, its tasks, and which faults may come."""

    name: str
    faults: Faults = attrs.field(factory=Faults)
    tasks: int = 1
    workers: tuple[tuple[Subscription, ...], ...] = ((ONE,), (ONE,))
    policy: DeliveryPolicy = attrs.field(
        factory=lambda: DeliveryPolicy(max_attempts=2, backoff=0, jitter=0, lease=LEASE_SECONDS)
    )
    may_fail: bool = False
    may_ask: bool = False
    crashes_are_final: bool = False

    def world(self) -> World:
        """How it begins: every task on the bus, for the agent `one`."""
        tasks = tuple(
            Task(
                task_id=f"t{number}",
                topic=TOPIC,
                payload=b"{}",
                created_at=BEGINNING,
                webhook="https://example.org",
                reply_to="told",
            )
            for number in range(self.tasks)
        )
        return World(
            tasks=tasks,
            policy=self.policy,
            messages=tuple(Message((task.task_id, ONE.agent)) for task in tasks),
            workers=tuple(Worker(agents=agents, incarnation=f"w{i}.0") for i, agents in enumerate(self.workers)),
            faults=self.faults,
            budget=self.faults,
            may_fail=self.may_fail,
            may_ask=self.may_ask,
            crashes_are_final=self.crashes_are_final,
        )


@attrs.frozen(kw_only=True)
class Explored:
    """What an exploration saw."""

    scenario: str
    states: int
    transitions: int

    def __str__(self) -> str:
        return f"{self.scenario}: {self.states:,} states, {self.transitions:,} steps"


@attrs.frozen
class _State:
    """One node: the world, the store and the time."""

    world: World
    store: StoreState
    now: Instant


class _BranchStage:
    """The stage of `acts`, on a store that never waits."""

    def __init__(self, store: BranchingStore[Any], clock: SteppedClock) -> None:
        self._store = store
        self._clock = clock
        self.commands = store.commands
        self.seen: Runs = {}

    def runs(self, worker: int) -> RunStore:  # noqa: ARG002 - all workers of a branching store share a connection
        """The one connection."""
        return self._store.runs

    async def pass_time(self, seconds: float) -> None:
        """Move the clock."""
        now = self._clock.instant
        self._clock.instant = Instant(now.after(seconds), now.steady + seconds)

    async def look(self, world: World) -> Runs:  # noqa: ARG002 - a snapshot shows all
        """The runs as they were when the step began: no step looks after it has changed them."""
        return self.seen


class Exploration:
    """Explores one scenario on one store."""

    def __init__(self, scenario: Scenario, open_store: Callable[[Clock], BranchingStore[Any]]) -> None:
        self._scenario = scenario
        self._clock = SteppedClock()
        self._store = open_store(self._clock)
        self._stage = _BranchStage(self._store, self._clock)
        self._came_from: list[tuple[int, Step | None]] = []
        self._fair_into: list[list[int]] = []
        self._has_ended: list[bool] = []
        self._transitions = 0

    def run(self) -> Explored:
        """Visit every state that can be reached. Raises `Violation` with the way to the first that breaks a promise,
        or from which no end can be reached any more."""
        world = self._scenario.world()
        _at_once(self._store.log.add(world.tasks))
        for worker in world.workers:  # as each does when it starts
            _at_once(self._store.runs.renew(worker.incarnation, (), SPAN))
        self._visit(_State(world, self._store.snapshot(), self._clock.instant))
        self._check_that_none_is_stuck()
        return Explored(scenario=self._scenario.name, states=len(self._came_from), transitions=self._transitions)

    def _visit(self, first: _State) -> None:
        numbers: dict[Hashable, int] = {}
        todo: deque[tuple[int, _State]] = deque()

        def number_of(state: _State, origin: int, step: Step | None) -> int:
            key = canonical(state.world, state.store, state.now)
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(self._came_from)
                self._came_from.append((origin, step))
                self._fair_into.append([])
                self._has_ended.append(_has_ended(state))
                todo.append((number, state))
            return number

        number_of(first, -1, None)
        while todo:
            origin, state = todo.popleft()
            for step in steps(state.world):
                try:
                    after = self._after(step, state)
                except Violation as broken:
                    raise Violation(f"{broken}\n{self._way_to(origin)}\n  {step}") from None
                self._transitions += 1
                number = number_of(after, origin, step)
                if step.is_fair:
                    self._fair_into[number].append(origin)

    def _after(self, step: Step, state: _State) -> _State:
        if not touches_store(step):
            return _State(_at_once(act(step, state.world, self._stage)), state.store, state.now)
        self._store.restore(state.store)
        self._clock.instant = state.now
        self._stage.seen = state.store.runs
        world = _at_once(act(step, state.world, self._stage))
        store = self._store.snapshot()
        check_runs(state.store.runs, store.runs, world)
        check_told(state.store.runs, store.runs, state.store.told, store.told)
        check_world(step, state.world, world)
        return _State(world, store, self._clock.instant)

    def _check_that_none_is_stuck(self) -> None:
        is_good = list(self._has_ended)
        todo = deque(number for number, has_ended in enumerate(is_good) if has_ended)
        while todo:
            for origin in self._fair_into[todo.popleft()]:
                if not is_good[origin]:
                    is_good[origin] = True
                    todo.append(origin)
        if not all(is_good):
            stuck = is_good.index(False)
            raise Violation(f"no end can be reached any more ({is_good.count(False)} states)\n{self._way_to(stuck)}")

    def _way_to(self, number: int) -> str:
        way: list[str] = []
        while number > 0:
            number, step = self._came_from[number]
            way.append(f"  {step}")
        return "\n".join(reversed(way))


def explore(scenario: Scenario, open_store: Callable[[Clock], BranchingStore[Any]]) -> Explored:
    """Every state of the scenario on the store that `open_store` makes; raises `Violation`."""
    return Exploration(scenario, open_store).run()


def _has_ended(state: _State) -> bool:
    """Whether each task is over. Where the dead stay dead it is enough that what they had is there for others."""
    runs = state.store.runs
    for task in state.world.tasks:
        if task.task_id in state.world.deleted:
            continue
        run = runs.get((task.task_id, ONE.agent))
        if run is None or not run.state.is_end:
            nobody = all(worker.is_gone for worker in state.world.workers if ONE in worker.agents)
            if not nobody or (run is not None and run.state is RunState.RUNNING):
                return False
    return True


def _at_once(answer: Awaitable[T]) -> T:
    """What a coroutine that never waits returns."""
    try:
        answer.__await__().__next__()
    except StopIteration as done:
        value: T = done.value
        return value
    raise RuntimeError("a branching store must answer without waiting")
