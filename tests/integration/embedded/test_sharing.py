"""Several agents and several processes on one topic."""

from __future__ import annotations

from collections import Counter

from omnidaemon import OmniDaemonSDK
from tests.integration.embedded.conftest import Workshop


async def test_two_agents_in_two_processes_share_fairly(workshop: Workshop, client: OmniDaemonSDK) -> None:
    """Each of a thousand tasks is handled once by each agent, and each process does its part."""
    workshop.start_worker()
    workshop.start_worker()
    ids = await client.publish_tasks([("pair", n) for n in range(1000)])
    results = [await client.wait_for_result(task_id, timeout=60) for task_id in ids]

    outcomes = [run for result in results for run in result.runs]
    assert len(outcomes) == 2000
    assert {run.status for run in outcomes} == {"succeeded"}
    assert workshop.times("left") == workshop.times("right") == Counter(ids)
    rows = workshop.lines("left") + workshop.lines("right")
    shares = Counter(row[3] for row in rows)
    assert len(shares) == 2
    assert min(shares.values()) >= 0.3 * len(rows), shares
