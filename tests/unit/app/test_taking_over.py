"""How soon a worker takes over what a dead one had under way."""

from __future__ import annotations

import pytest

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.testing.worker import ScriptedWorker
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


@pytest.mark.parametrize("lease", [1.0, 2.0, 8.0])
async def test_a_lapse_is_noticed_when_it_happens(shop: Workshop, lease: float):
    """Also by a worker that has nothing to do and looked last before that run began: not a backstop later."""
    seen: list[object] = []

    async def handler(payload):
        seen.append(payload)

    await shop.start(agent_of(handler, lease=lease))
    await shop.pass_time(0.5)
    gone = ScriptedWorker(shop.storage.runs, "gone", lease_seconds=lease)
    await gone.begun(Task(task_id="t1", topic=TOPIC, payload=b"1", created_at=shop.clock.now().at), GREETER)
    await shop.pass_time(lease + 0.5)
    assert seen == [1]
