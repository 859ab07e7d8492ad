"""A desk: finishes and renewals alone, whose attempts the test makes up."""

from __future__ import annotations

import asyncio

from omnidaemon.app.bridge import Assignment, Report, StopReason, Workforce
from omnidaemon.app.custody import Custody
from omnidaemon.app.finishing import OutcomeFinishes
from omnidaemon.app.lanes import Lane
from omnidaemon.app.outages import Outages
from omnidaemon.app.renewing import LeaseRenewals
from omnidaemon.domain.outcome import Returned
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.task import Task
from omnidaemon.ports.run_store import LeaseSpan
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.worker import ScriptedWorker
from tests.unit.app.workshop import Workshop, agent_of


class Crew(Workforce):
    """Notes what it is told."""

    def __init__(self):
        self.assigned: list[Assignment] = []
        self.stopped: list[tuple[str, StopReason]] = []
        self.waits: list[Assignment] = []

    def assign(self, assignments):
        self.assigned.extend(assignments)

    def waiting(self, subscription):
        return [each for each in self.waits if each.agent.subscription == subscription]

    def take_back(self, assignments):
        taken = [each for each in assignments if each in self.waits]
        self.waits = [each for each in self.waits if each not in taken]
        return taken

    def stop(self, keys, reason):
        self.stopped.extend((task_id, reason) for task_id, _ in keys)


class Desk:
    """Finishes and renewals over a custody, with grants from the store, and a crew that only listens."""

    def __init__(self, shop: Workshop, clock: ManualClock | None = None, *, tells_ends: bool = False, **policy):
        self.shop = shop
        self.clock = clock or shop.clock
        self.agent = agent_of(len, concurrency=2000, **policy)
        self.custody = Custody({self.agent.subscription: self.agent})
        self.crew = Crew()
        self.outages = Outages(shop.clock, shop.says)
        self.scripted = ScriptedWorker(shop.storage.runs, "w1", 30.0)
        self.finishes = OutcomeFinishes(
            runs=shop.storage.runs,
            custody=self.custody,
            workforce=self.crew,
            finish_lane=Lane("w1", "finish", shop.clock, self.outages),
            release_lane=Lane("w1", "release", shop.clock, self.outages),
            clock=self.clock,
            telemetry=shop.says,
            tells_ends=tells_ends,
        )
        self.renewals = LeaseRenewals(
            runs=shop.storage.runs,
            custody=self.custody,
            workforce=self.crew,
            clock=shop.clock,
            telemetry=shop.says,
            outages=self.outages,
            incarnation="w1",
            leases=LeaseSpan(30.0, 30.0),
            hint=asyncio.Event(),
        )

    async def begin(self, count: int = 1) -> list[Grant]:
        """Grants that were begun and handed to the crew."""
        task_ids = [await self.shop.publish(number) for number in range(count)]
        tasks = [self.shop.space.tasks[task_id].task for task_id in task_ids]
        intakes = [self.scripted.start_of(task, self.agent.subscription) for task in tasks if isinstance(task, Task)]
        grants = [grant for grant in await self.scripted.begin(*intakes) if grant is not None]
        holdings = self.custody.add(grants, self.clock.now().steady, is_fresh=True)
        self.finishes.dispatch(holdings)
        for holding in holdings:
            holding.awaits_ack = False
        return grants

    def returned(self, *grants: Grant) -> None:
        """The crew reports a value for each."""
        self.finishes.report([Report(grant, Returned(value=b"1"), 0.1) for grant in grants])
