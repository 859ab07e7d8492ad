"""A small program over Redis: enough to use the storage, both of its listeners, and the blocking reads of a bus."""

from __future__ import annotations

import secrets

from omnidaemon import DeliveryPolicy, OmniDaemonSDK, load_settings
from omnidaemon.result_store import RedisResultStore


async def assert_it_runs(bus, url, namespace=None):
    """In a namespace of its own, unless one is named: every task is handled once by each agent; one that fails is tried
    again; what is over is counted."""
    chosen = {"event_bus_type": "redis_stream", "result_store_type": "redis"}
    settings = load_settings({**chosen, "namespace": namespace or f"test-{secrets.token_hex(6)}"})
    sdk = OmniDaemonSDK(event_bus=bus(url), result_store=RedisResultStore(url), settings=settings)
    tries: list[int] = []

    @sdk.agent("double")
    async def double(payload: int) -> int:
        return 2 * payload

    @sdk.agent("flaky", policy=DeliveryPolicy(backoff=0.1))
    def flaky(payload: int) -> int:
        tries.append(payload)
        if len(tries) == 1:
            raise ValueError("not yet")
        return payload

    async with sdk:
        ids = await sdk.publish_tasks([("double", n) for n in range(100)])
        results = [await sdk.wait_for_result(task_id, timeout=30) for task_id in ids]
        late = await sdk.wait_for_result(await sdk.publish_task("flaky", 7), timeout=30)
        processed = sum(metrics.tasks_processed for metrics in (await sdk.metrics()).values())

    assert [result.result for result in results] == [2 * n for n in range(100)]
    assert (late.result, late.attempts, tries) == (7, 2, [7, 7])
    assert processed == 101
