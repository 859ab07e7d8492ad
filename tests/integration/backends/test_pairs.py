"""Every registered bus with every registered store: those that fit, those that are refused, and those under a
setting."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK
from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.errors import MismatchedPair
from omnidaemon.testing.patience import eventually
from tests.integration.backends.conftest import over
from tests.servers.backends import Backends
from tests.servers.workshop import Workshop


def registered(group: str) -> list[str]:
    """The names of what this distribution brings; of a bus with two names, one."""
    points = [
        point for point in entry_points(group=group) if point.dist is not None and point.dist.name == "omnidaemon"
    ]
    return sorted({point.value: point.name for point in sorted(points, key=lambda point: point.name)}.values())


PAIRS = [(bus, store) for bus in registered("omnidaemon.buses") for store in registered("omnidaemon.stores")]
_FORGETS = "the bus keeps tasks, the store would forget them once begun"
_ELSEWHERE = "workers on other machines reach the bus, but not this store"
REFUSED = {
    ("sqlite", "memory"): _FORGETS,
    ("redis_stream", "memory"): _FORGETS,
    ("redis_stream", "sqlite"): _ELSEWHERE,
    ("redis_pubsub", "memory"): _ELSEWHERE,
    ("redis_pubsub", "sqlite"): _ELSEWHERE,
}
OUTLIVE_A_WORKER = [(bus, store) for bus, store in PAIRS if "memory" not in (bus, store)]
"""In which a second process finds what the first has left."""


@pytest.fixture
def allowed(backends: Backends) -> Backends:
    """The pair, permitted where it takes a permission."""
    if (backends.bus, backends.store) not in REFUSED:
        return backends
    variables = {**backends.variables, "OMNIDAEMON_ALLOW_MISMATCH": "true"}
    return Backends(bus=backends.bus, store=backends.store, variables=variables)


def test_the_list_is_whole() -> None:
    """An empty list of adapters would pass everything."""
    assert {bus for bus, _ in PAIRS} >= {"memory", "sqlite", "redis_stream", "redis_pubsub"}
    assert {store for _, store in PAIRS} >= {"memory", "sqlite", "redis"}
    assert set(REFUSED) < set(PAIRS)


@over(PAIRS)
async def test_pairs_that_do_not_fit_are_refused(backends: Backends) -> None:
    """Before anything is opened, by their names and with the reason and the setting that permits them; others open."""
    runtime = Container(settings=backends.settings).runtime()
    if (reason := REFUSED.get((backends.bus, backends.store))) is None:
        async with runtime:
            return
    with pytest.raises(MismatchedPair) as refused:
        await runtime.__aenter__()
    for words in (backends.bus, backends.store, reason, "OMNIDAEMON_ALLOW_MISMATCH"):
        assert words in str(refused.value)


@over(PAIRS)
async def test_a_program_runs_on_every_pair(allowed: Backends) -> None:
    """Publish, succeed, fail and be tried again, die, be requeued, be delayed and cancelled."""
    sdk = OmniDaemonSDK(settings=allowed.settings)
    policy = DeliveryPolicy(max_attempts=2, backoff=0.05)

    @sdk.agent("double")
    async def double(payload: int) -> int:
        return 2 * payload

    @sdk.agent("flaky", policy=policy)
    def flaky(payload: int, ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return payload

    mended: list[int] = []

    @sdk.agent("fail", policy=policy)
    async def failing(payload: int) -> int:
        if payload not in mended:
            raise ValueError("never")
        return payload

    async with sdk:
        ids = await sdk.publish_tasks([("double", n) for n in range(20)])
        assert [(await sdk.wait_for_result(task_id, timeout=30)).result for task_id in ids] == list(range(0, 40, 2))

        late = await sdk.wait_for_result(await sdk.publish_task("flaky", 7), timeout=30)
        assert (late.result, late.attempts) == (7, 2)

        dead = await sdk.wait_for_result(await sdk.publish_task("fail", 1), timeout=30)
        assert (dead.status, dead.attempts) == ("dead", 2)
        assert dead.error is not None
        assert dead.error.message == "never"
        mended.append(1)
        await sdk.requeue_task(dead.task_id)
        assert (await sdk.wait_for_result(dead.task_id, timeout=30)).result == 1

        delayed = await sdk.publish_task("double", 4, delay=0.3)
        dropped = await sdk.publish_task("double", 5, delay=3600)
        await sdk.cancel_task(dropped)
        assert (await sdk.wait_for_result(dropped, timeout=30)).status == "cancelled"
        assert (await sdk.wait_for_result(delayed, timeout=30)).result == 8
        await eventually(lambda: _processed(sdk), lambda count: count == 23)


async def _processed(sdk: OmniDaemonSDK) -> int:
    return sum(metrics.tasks_processed for metrics in (await sdk.metrics()).values())


@over(OUTLIVE_A_WORKER)
async def test_another_worker_goes_on_after_one_was_killed(allowed: Backends, tmp_path: Path) -> None:
    """Whatever the pair: what was begun is run again, what has ended is not."""
    shop = Workshop(tmp_path, allowed)
    sdk = OmniDaemonSDK(settings=load_settings(directory=tmp_path, environ=allowed.variables))
    try:
        first = shop.start_worker(AGENT_LEASE="1")
        ended = await sdk.wait_for_result(await sdk.publish_task("work", {"n": 1, "seconds": 0}), timeout=30)
        task_id = await sdk.publish_task("work", {"n": 2, "seconds": 1})
        shop.until(lambda: shop.times("start")[task_id])
        shop.kill(first)
        shop.start_worker(AGENT_LEASE="1")
        again = await sdk.wait_for_result(task_id, timeout=60)
    finally:
        await sdk.close()
        shop.close()
    assert (again.status, again.result) == ("succeeded", 2)
    assert shop.times("start") == {ended.task_id: 1, task_id: 2}
