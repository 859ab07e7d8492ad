"""Two agents on one topic, in two processes."""

from __future__ import annotations

from collections import Counter

from omnidaemon import OmniDaemonSDK
from tests.servers.amounts import amount
from tests.servers.workshop import Workshop

TASKS = amount(400, 1000)


async def test_two_agents_in_two_processes_share_fairly(workshop: Workshop, client: OmniDaemonSDK) -> None:
    """Each task is handled once by each agent, and each process does its part, where the bus has them share at all: of
    Pub/Sub both get everything, and who begins a task has it."""
    workshop.start_worker()
    workshop.start_worker()
    ids = await client.publish_tasks([("pair", n) for n in range(TASKS)])
    results = [await client.wait_for_result(task_id, timeout=60) for task_id in ids]

    outcomes = [run for result in results for run in result.runs]
    assert len(outcomes) == 2 * TASKS
    assert {run.status for run in outcomes} == {"succeeded"}
    assert workshop.times("left") == workshop.times("right") == Counter(ids)
    rows = workshop.lines("left") + workshop.lines("right")
    done_by = Counter(row[3] for row in rows)
    shares = {process.pid: done_by[str(process.pid)] for process in workshop.processes}
    least = 0 if workshop.backends.bus == "redis_pubsub" else 0.3
    assert min(shares.values()) >= least * len(rows), shares
