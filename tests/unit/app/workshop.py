"""A workshop: agents, workers and all services over one memory space, on one loop, with the clock in the test's
hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.memory import MemoryBus, MemorySpace, MemoryStorage
from omnidaemon.app.agents import Agent, Handler
from omnidaemon.app.control import Control
from omnidaemon.app.drafts import Draft
from omnidaemon.app.engine import Engine
from omnidaemon.app.executor import Executor
from omnidaemon.app.feed import JournalFeed
from omnidaemon.app.loops import EngineOptions
from omnidaemon.app.notifications import NotifyingTerms
from omnidaemon.app.publisher import Publisher
from omnidaemon.app.queries import Queries
from omnidaemon.app.waiting import ResultWatch
from omnidaemon.domain.agent import AgentProfile, WhenStopped
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import DeliveryPolicy
from omnidaemon.domain.reply_policy import ReplyPolicy
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.run import Run
from omnidaemon.domain.task import Task
from omnidaemon.domain.webhook_policy import WebhookPolicy
from omnidaemon.ports.bus import EventBus
from omnidaemon.testing.clock import ManualClock, SequentialIds
from omnidaemon.testing.notifier import RecordingNotifier
from omnidaemon.testing.patience import eventually
from tests.unit.app.faults import Faulty, Sayings

T = TypeVar("T")

TOPIC = "greet.user"


def agent_of(
    handler: Handler,
    name: str = "greeter",
    *,
    topic: str = TOPIC,
    concurrency: int = 10,
    when_stopped: WhenStopped = WhenStopped.HOLD,
    **policy: Any,
) -> Agent:
    """An agent whose pauses have no jitter, so that a test can foretell them."""
    delivery = DeliveryPolicy(**{"jitter": 0.0, **policy})
    profile = AgentProfile(
        subscription=Subscription(topic, name),
        when_stopped=when_stopped,
        lease_seconds=delivery.lease,
        concurrency=concurrency,
    )
    return Agent.of(handler, profile, delivery)


class Worker:
    """An engine and an executor on the test's loop."""

    def __init__(self, engine: Engine, executor: Executor) -> None:
        self.engine = engine
        self.executor = executor
        self.has_left = False

    @property
    def held(self) -> int:
        """How many grants it holds."""
        return self.engine.report().running

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back."""
        self.has_left = True
        try:
            return await self.engine.stop()
        finally:
            self.executor.close()

    def kill(self) -> None:
        """End it as kill -9 would: nothing is given back, nobody is told."""
        self.has_left = True
        loops = self.engine._loops
        for task in asyncio.all_tasks():
            if task in (*loops.takers, *loops.keepers):
                task.cancel()
        self.executor.on_reports(lambda _: None)
        for attempts in self.executor._attempts.values():
            for attempt in attempts:
                assert attempt.task is not None
                attempt.task.cancel()
        self.executor.close()


class Workshop:
    """Everything over one memory space. Each port stands behind a `Faulty`, which counts its calls."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.codec = JsonCodec()
        self.ids = SequentialIds("task")
        self.notifier = RecordingNotifier()
        self.replies = ReplyPolicy()
        self.says = Sayings()
        self.space = MemorySpace(clock)
        self.storage = MemoryStorage(self.space)
        self.ports = {name: Faulty(port) for name, port in vars(self.storage).items()}
        for name, port in self.ports.items():
            setattr(self.storage, name, port)
        self.runs, self.log, self.registry = self.ports["runs"], self.ports["log"], self.ports["registry"]
        self.real_bus = MemoryBus(self.space.bus)
        self.bus = Faulty(self.real_bus)
        self.publisher = Publisher(
            bus=self.as_bus,
            storage=self.storage,
            clock=clock,
            ids=self.ids,
            codec=self.codec,
            telemetry=self.says,
            payload_max_bytes=1000,
        )
        self.queries = Queries(bus=self.real_bus, storage=self.storage, codec=self.codec)
        self.control = Control(
            bus=self.as_bus, storage=self.storage, clock=clock, ids=SequentialIds("move"), telemetry=self.says
        )
        self.results = ResultWatch(runs=self.storage.runs, run_queries=self.storage.queries, queries=self.queries)
        self.feed = JournalFeed(journal=self.storage.journal, runs=self.storage.runs, clock=clock, telemetry=self.says)
        self.workers: list[Worker] = []

    @property
    def as_bus(self) -> EventBus:
        """The bus behind its faults, as the services see it."""
        return cast("EventBus", self.bus)

    @property
    def inbox(self) -> Faulty:
        """The inbox of the worker that subscribed last."""
        assert self.bus.inbox is not None
        return self.bus.inbox

    # --- workers ------------------------------------------------------------------------------------------------------

    async def start(
        self, *agents: Agent, incarnation: str = "w1", drain_seconds: float = 2.0, keep: float = 86400.0, **options: Any
    ) -> Worker:
        """A worker that is ready."""
        worker = self.worker(*agents, incarnation=incarnation, drain_seconds=drain_seconds, keep=keep, **options)
        await worker.engine.start()
        self.workers.append(worker)
        return worker

    def worker(
        self,
        *agents: Agent,
        incarnation: str = "w1",
        drain_seconds: float = 2.0,
        keep: float = 86400.0,
        agents_loop: asyncio.AbstractEventLoop | None = None,
        last_word_seconds: float = 5.0,
    ) -> Worker:
        """A worker that is not started yet. `agents_loop`: another loop than the test's, to be watched only."""
        executor = Executor(
            codec=self.codec,
            telemetry=self.says,
            publish=self.publish_from,
            result_max_bytes=1000,
            threads=sum(agent.profile.concurrency for agent in agents),
        )
        engine = Engine(
            bus=self.as_bus,
            storage=self.storage,
            agents={agent.subscription: agent for agent in agents},
            workforce=executor,
            culprit=executor.culprit,
            agents_loop=agents_loop or asyncio.get_running_loop(),
            clock=self.clock,
            telemetry=self.says,
            notifying=NotifyingTerms(
                notifier=self.notifier, codec=self.codec, webhooks=WebhookPolicy(jitter=0.0), replies=self.replies
            ),
            options=EngineOptions(
                incarnation=incarnation,
                version="test",
                drain_seconds=drain_seconds,
                keep=timedelta(seconds=keep),
                keep_dead=None,
                last_word_seconds=last_word_seconds,
            ),
        )
        executor.on_reports(engine.take_reports)
        return Worker(engine, executor)

    async def close(self) -> None:
        """Stop what still works, at once."""
        for port in (*self.ports.values(), self.bus):
            port.come_back()
        for worker in self.workers:
            if not worker.has_left:
                worker.engine.release_now()
                await worker.stop()
        await self.results.close()
        await self.feed.close()

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def publish(self, payload: object = None, *, topic: str = TOPIC, **options: Any) -> str:
        """The id of one published task."""
        (task_id,) = await self.publisher.publish([Draft(topic=topic, payload=payload, **options)])
        return task_id

    async def publish_from(self, cause: Task, topic: str, payload: object, **options: Any) -> str:
        """As a handler publishes by its context."""
        return await self.publish(payload, topic=topic, causation_id=cause.task_id, hops=cause.hops, **options)

    def run_of(self, task_id: str, agent: str = "greeter") -> Run | None:
        """The run as the store has it."""
        return self.space.runs.get((task_id, agent))

    def state(self, task_id: str, agent: str = "greeter") -> str | None:
        """The run's state, None before it was begun."""
        run = self.run_of(task_id, agent)
        return None if run is None else run.state.value

    async def ended(self, task_id: str, *, moving: float = 0.0) -> TaskResult:
        """The result once all runs of the task have ended; `moving` lets time pass while looking."""

        async def look() -> TaskResult | None:
            await self.pass_time(moving)
            return await self.queries.result(task_id)

        result = await eventually(look, lambda found: found is not None and found.is_end)
        assert result is not None
        return result

    # --- time ---------------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Let everything happen that can happen without time passing (threads excepted)."""
        for _ in range(40):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass in small steps, and everything happen that is due."""
        await self.rest()
        left = seconds
        while left > 1e-9:
            self.clock.advance(min(step, left))
            left -= step
            await self.rest()

    async def until(self, is_so: Callable[[], T], *, moving: float = 0.0) -> T:
        """Wait until it is so; `moving` lets time pass while looking."""

        async def look() -> T:
            await self.pass_time(moving)
            return is_so()

        return await eventually(look)


async def declared(shop: Workshop, *names: str) -> None:
    """Agents of the topic, subscribed one after the other, without a worker."""
    for name in names:
        starts = await shop.registry.register([agent_of(len, name).profile])
        await shop.bus.declare(starts)
        await shop.registry.declared(tuple(starts))
