"""Which publications a wait that follows at once knows of: those of which it may wait to be told."""

from __future__ import annotations

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
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
