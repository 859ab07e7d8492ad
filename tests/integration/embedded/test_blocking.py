"""Agents that block: they keep their leases, and are named."""

from __future__ import annotations

import pytest

from omnidaemon import OmniDaemonSDK
from tests.integration.embedded.conftest import Workshop


@pytest.mark.parametrize("how", ["sleep", "spin"])
async def test_a_blocked_loop_loses_no_lease(workshop: Workshop, client: OmniDaemonSDK, how: str) -> None:
    """A handler that blocks its loop for four leases, beside a second worker, is executed once; a log line names it."""
    workers = [workshop.start_worker(AGENT_LEASE="5"), workshop.start_worker(AGENT_LEASE="5")]
    task_id = await client.publish_task("block", {"how": how, "seconds": 20})
    result = await client.wait_for_result(task_id, timeout=60)

    assert (result.status, result.attempts) == ("succeeded", 1)
    assert workshop.times("start")[task_id] == 1
    words = "".join(workshop.words_of(process) for process in workers)
    assert f"agent block/blocker (task {task_id}) has blocked the agents' loop" in words
