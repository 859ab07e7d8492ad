"""A worker over Redis, embedded in the test's own loop."""

from __future__ import annotations

import pytest

from omnidaemon import DeliveryPolicy, OmniDaemonSDK, load_settings
from omnidaemon.event_bus import RedisPubsubEventBus, RedisStreamsEventBus
from omnidaemon.result_store import RedisResultStore


@pytest.mark.parametrize("bus", [RedisStreamsEventBus, RedisPubsubEventBus])
async def test_tasks_pass_through_from_publish_to_result(private_redis, bus) -> None:
    """Every task is handled once by each agent; one that fails is tried again; what is over is counted."""
    url = private_redis.url
    settings = load_settings({"event_bus_type": "redis_stream", "result_store_type": "redis"})
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
