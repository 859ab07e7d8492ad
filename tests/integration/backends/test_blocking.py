"""Agents that block: they keep their leases, and are named."""

from __future__ import annotations

import pytest

from omnidaemon import OmniDaemonSDK
from tests.servers.amounts import amount
from tests.servers.workshop import Workshop

LEASE_SECONDS, BLOCKED_SECONDS = amount((2, 6), (5, 20))


@pytest.mark.parametrize("how", ["sleep", "spin"])
async def test_a_blocked_loop_loses_no_lease(workshop: Workshop, client: OmniDaemonSDK, how: str) -> None:
    """A handler that blocks its loop for several leases, beside a second worker, is executed once; a log line names
    it."""
    for _ in range(2):
        workshop.start_worker(AGENT_LEASE=str(LEASE_SECONDS))
    task_id = await client.publish_task("block", {"how": how, "seconds": BLOCKED_SECONDS})
    result = await client.wait_for_result(task_id, timeout=60)

    assert (result.status, result.attempts) == ("succeeded", 1)
    assert workshop.times("start")[task_id] == 1
    assert f"agent block/blocker (task {task_id}) has blocked the agents' loop" in workshop.words
