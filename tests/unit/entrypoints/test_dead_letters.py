"""Dealing with dead letters while others do, and while the store goes away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from omnidaemon import DeliveryPolicy, OmniDaemonSDK, load_settings
from omnidaemon.domain.errors import BackendUnavailable, InvalidValue, TaskNotFound, WrongState
from omnidaemon.entrypoints import dead_letters

PATIENCE_SECONDS = 20
AWAY = BackendUnavailable("redis", "redis://nowhere", "connection refused", "start it")


class MeanwhileSDK(OmniDaemonSDK):
    """Before it deletes or requeues a task for the first time, something happens."""

    meanwhile: Callable[[str, str | None], Awaitable[None]] | None = None
    is_mended = False

    async def _happens(self, task_id, agent):
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens(task_id, agent)

    async def delete_task(self, task_id, agent=None, *, only_dead=False):
        await self._happens(task_id, agent)
        await super().delete_task(task_id, agent, only_dead=only_dead)

    async def requeue_task(self, task_id, agent=None, *, only_dead=False):
        await self._happens(task_id, agent)
        await super().requeue_task(task_id, agent, only_dead=only_dead)


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


async def test_what_succeeded_meanwhile_is_not_run_again(sdk):
    """Somebody else had requeued it, and it has ended well since: a second requeue would run it once more."""
    task_id = await dead(sdk)
    sdk.is_mended = True

    async def requeue(task_id, agent):
        await sdk.requeue_task(task_id, agent)
        assert (await sdk.wait_for_result(task_id, PATIENCE_SECONDS, agent)).status == "succeeded"

    sdk.meanwhile = requeue
    result = await dead_letters.requeue(sdk, "both", [task_id], is_all=False)
    assert [run.agent for run in result.done] == ["hopeless"]
    assert [(failed.run.agent, type(failed.error)) for failed in result.failed] == [("failing", WrongState)]
    assert (await sdk.get_task(task_id)).result.runs[0].attempts == 1


@pytest.mark.parametrize("command", [dead_letters.requeue, dead_letters.purge])
async def test_all_are_dealt_with_in_steps(sdk, command):
    """Each once, the newest first, also when they die again at once; the last step has no cursor."""
    ids = [await dead(sdk) for _ in range(5)]
    told: list[str] = []
    cursor, steps = None, 0
    while cursor is not None or not steps:
        result = await command(sdk, "both", [], is_all=True, cursor=cursor, limit=2)
        if command is dead_letters.requeue:
            for run in result.done:
                await sdk.wait_for_result(run.task_id, PATIENCE_SECONDS)
        told += dict.fromkeys(run.task_id for run in result.done)
        assert len(result.done) <= 4  # both runs of two tasks
        cursor, steps = result.cursor, steps + 1
    assert (told, steps) == (ids[::-1], 3)


async def test_a_slow_store_ends_a_step_early(sdk, monkeypatch):
    """No request takes much longer than a page does; the rest comes with the cursor."""
    monkeypatch.setattr(dead_letters, "_PAGE", 1)
    monkeypatch.setattr(dead_letters, "LONGEST_SECONDS", 0.0)
    ids = [await dead(sdk) for _ in range(2)]
    first = await dead_letters.purge(sdk, "both", [], is_all=True)
    assert {run.task_id for run in first.done} == {ids[1]}
    rest = await dead_letters.purge(sdk, "both", [], is_all=True, cursor=first.cursor)
    assert ({run.task_id for run in rest.done}, rest.cursor) == ({ids[0]}, None)


@pytest.mark.parametrize(
    ("task_ids", "options", "name"),
    [
        (["x"], {"cursor": "1"}, "cursor"),
        (["x"], {"limit": 1}, "limit"),
        ([], {"limit": 0}, "limit"),
        ([], {"limit": 1001}, "limit"),
        ([], {"cursor": "x"}, "cursor"),
    ],
)
async def test_steps_that_cannot_be_meant(sdk, task_ids, options, name):
    """Nothing is ignored, and nothing done."""
    with pytest.raises(InvalidValue, match=name):
        await dead_letters.purge(sdk, "both", task_ids, is_all=not task_ids, **options)


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
