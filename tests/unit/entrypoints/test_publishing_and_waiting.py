"""Which publications a wait that follows at once knows of: those of which it may wait to be told."""

from __future__ import annotations

import math

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.domain.errors import InvalidValue, WaitTimedOut
from tests.unit.domain.samples import task

TOPIC = "greet.user"


@pytest.fixture
async def sdk():
    async with OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"})) as sdk:
        yield sdk


@pytest.fixture
async def known(sdk: OmniDaemonSDK, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    monkeypatch.setattr((await sdk.runtime()).results, "published", seen.append)
    return seen


@pytest.mark.parametrize("options", [{}, {"webhook": "http://127.0.0.1:9/"}, {"headers": {"a": "b"}}])
async def test_whatever_else_is_asked_of_it(sdk: OmniDaemonSDK, known: list[str], options):
    """By each way there is to publish one."""
    task_ids = [
        await sdk.publish_task(TOPIC, "Alice", **options),
        (await sdk.publish_with_receipt(TOPIC, "Alice", **options)).task_id,
        await sdk.publish_from(task("cause"), TOPIC, "Alice", **options),
    ]
    assert known == task_ids


@pytest.mark.parametrize(("count", "is_known"), [(1, True), (3, True), (100, False)])
async def test_a_few_that_go_together(sdk: OmniDaemonSDK, known: list[str], count: int, is_known):
    """Of many, the first may have ended when the last is confirmed."""
    task_ids = await sdk.publish_tasks([(TOPIC, number) for number in range(count)])
    assert known == (task_ids if is_known else [])


async def test_not_one_with_a_key(sdk: OmniDaemonSDK, known: list[str]):
    """Its key is confirmed after it is sent, or it was known before."""
    for _ in range(2):
        await sdk.publish_task(TOPIC, "Alice", idempotency_key="k")
        await sdk.publish_with_receipt(TOPIC, "Alice", idempotency_key="k")
    assert not known


@pytest.mark.parametrize("timeout", ["3", -1, math.nan, True], ids=repr)
async def test_how_long_to_wait_is_checked_first(sdk: OmniDaemonSDK, timeout):
    task_id = await sdk.publish_task(TOPIC, "Alice")
    with pytest.raises(InvalidValue, match=r"timeout is .* seconds from 0, or None"):
        await sdk.wait_for_result(task_id, timeout=timeout)


@pytest.mark.parametrize("timeout", [0, 0.001])
async def test_a_short_wait_is_one(sdk: OmniDaemonSDK, timeout):
    with pytest.raises(WaitTimedOut, match="is still queued"):
        await sdk.wait_for_result(await sdk.publish_task(TOPIC, "Alice"), timeout=timeout)


@pytest.mark.parametrize("entry", [(TOPIC,), (TOPIC, 1, 2), None], ids=repr)
async def test_each_of_many_is_a_topic_and_a_payload(sdk: OmniDaemonSDK, entry):
    """Nothing is sent where one is not."""
    with pytest.raises(InvalidValue, match="a topic and a payload for each"):
        await sdk.publish_tasks([(TOPIC, "Alice"), entry])
    assert not (await sdk.list_tasks()).results
