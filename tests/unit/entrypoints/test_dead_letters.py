"""Dealing with dead letters while others do, and while the store goes away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from omnidaemon import DeliveryPolicy, OmniDaemonSDK, load_settings
from omnidaemon.domain.errors import BackendUnavailable, TaskNotFound, WrongState
from omnidaemon.entrypoints import dead_letters

PATIENCE_SECONDS = 20
AWAY = BackendUnavailable("redis", "redis://nowhere", "connection refused", "start it")


class MeanwhileSDK(OmniDaemonSDK):
    """Before it deletes a task for the first time, something happens."""

    meanwhile: Callable[[str, str | None], Awaitable[None]] | None = None
    is_mended = False

    async def delete_task(self, task_id, agent=None, *, only_dead=False):
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens(task_id, agent)
        await super().delete_task(task_id, agent, only_dead=only_dead)


@pytest.fixture
async def sdk():
    """Two agents of one topic, of which one fails until it may succeed; they run."""
    made = MeanwhileSDK(settings=load_settings({"event_bus_type": "memory"}, environ={}))

    @made.agent("both", policy=DeliveryPolicy(max_attempts=1))
    async def failing(payload):
        if not made.is_mended:
            raise ValueError("no good")

    @made.agent("both", policy=DeliveryPolicy(max_attempts=1))
    async def hopeless(payload):
        raise ValueError("no good")

    async with made:
        yield made


async def dead(sdk):
    """The id of a task of which both runs are dead."""
    task_id = await sdk.publish_task("both", 1)
    assert (await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)).status == "dead"
    return task_id


async def test_what_is_requeued_meanwhile_is_not_purged(sdk):
    """Its run goes on, and the answer says why it stays; the other agent's dead letter goes."""
    task_id = await dead(sdk)
    sdk.is_mended = True

    async def requeue(task_id, _):
        await sdk.requeue_task(task_id, "failing")

    sdk.meanwhile = requeue
    result = await dead_letters.purge(sdk, "both", [task_id], is_all=False)
    assert [run.agent for run in result.done] == ["hopeless"]
    ((kept, error),) = [(failed.run, failed.error) for failed in result.failed]
    assert (kept.agent, type(error)) == ("failing", WrongState)
    result = await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)
    assert [(run.agent, run.status) for run in result.runs] == [("failing", "succeeded")]


async def test_a_task_of_which_all_is_dead_goes_as_a_whole(sdk):
    """Nothing of it is known afterwards."""
    task_id = await dead(sdk)
    result = await dead_letters.purge(sdk, "both", [], is_all=True)
    assert [run.agent for run in result.done] == ["failing", "hopeless"]
    assert await sdk.get_result(task_id) is None


async def test_a_store_that_goes_away_is_no_answer(sdk):
    """What is left is still dead, so the same order again does the rest; what is gone meanwhile is only told."""
    task_id = await dead(sdk)

    async def fail(task_id, agent):
        raise AWAY

    sdk.meanwhile = fail
    with pytest.raises(BackendUnavailable):
        await dead_letters.purge(sdk, "both", [task_id], is_all=False)

    async def vanish(task_id, agent):
        raise TaskNotFound(task_id, agent)

    sdk.meanwhile = vanish
    result = await dead_letters.purge(sdk, "both", [task_id], is_all=False)
    assert (len(result.done), len(result.failed)) == (1, 1)
