"""Waiting for results over a store that tells what has ended: who waits has it from there, and asks nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from typing import cast

import pytest

from omnidaemon.app import waiting
from omnidaemon.app.waiting import ResultWatch
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.run import Run
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.values import replace
from omnidaemon.ports.run_store import Ended, Endings, RunStore
from tests.unit.app.handlers import Gated
from tests.unit.app.workshop import Workshop, agent_of


class Teller(Endings):
    """Tells what a test says, and what is silent is silent for good."""

    def __init__(self) -> None:
        self.wanted: Container[str] = ()
        self.is_closed = False
        self._told: asyncio.Queue[Sequence[Ended] | None] = asyncio.Queue()

    def endings(self, wanted: Container[str]) -> Endings:
        """The store's method."""
        self.wanted = wanted
        self.is_closed = False
        return self

    async def tell(self, *ended: Ended) -> None:
        """Have it heard."""
        self._told.put_nowait(ended)
        for _ in range(10):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> Sequence[Ended] | None:
        try:
            return await asyncio.wait_for(self._told.get(), seconds)
        except TimeoutError:
            return ()

    def close(self) -> None:
        self.is_closed = True


class PromptTeller(Teller):
    """As a store that hears of ends on the loop of those who wait."""

    def pass_on(self, take: Callable[[Sequence[Ended]], None]) -> bool:
        self._take = take
        return True

    async def tell(self, *ended: Ended) -> None:
        self._take(ended)


class Told:
    """A workshop whose waiters hear of nothing but what a test tells them."""

    def __init__(self, shop: Workshop, teller: Teller) -> None:
        self.shop = shop
        self.teller = teller
        runs = cast("RunStore", self.teller)  # nothing else of it is called
        self.results = ResultWatch(runs=runs, run_queries=shop.storage.queries, queries=shop.queries)

    def wait(self, task_id: str, agent: str | None = None) -> asyncio.Task[TaskResult]:
        return asyncio.create_task(self.results.wait(task_id, 5.0, agent))

    @property
    def queries(self) -> tuple[int, int]:
        calls = self.shop.ports["queries"].calls
        return calls["records"], calls["ended"]

    async def ended(self, task_id: str, agent: str = "greeter") -> Run:
        """The run, once it has ended."""
        await self.shop.until(lambda: self.shop.state(task_id, agent) == "succeeded", moving=0.25)
        run = self.shop.run_of(task_id, agent)
        assert run is not None
        return run


@pytest.fixture(params=[Teller, PromptTeller])
async def told(shop: Workshop, request: pytest.FixtureRequest):
    told = Told(shop, request.param())
    yield told
    await told.results.close()


async def test_what_is_told_is_the_result_without_a_query(told: Told, shop: Workshop):
    """One look when the wait begins, by each who waits; then nothing more."""
    handler = Gated()
    await shop.start(agent_of(handler))
    task_id = await shop.publish("x")
    waiting = [told.wait(task_id), told.wait(task_id, "greeter")]
    await shop.rest()
    assert task_id in told.teller.wanted
    before = told.queries
    handler.let_go.set()
    run = await told.ended(task_id)
    await told.teller.tell(Ended("another"), Ended(task_id, run))
    results = await asyncio.gather(*waiting)
    assert [(result.status.value, result.result) for result in results] == [("succeeded", "x")] * 2
    assert told.queries == before
    assert told.teller.is_closed is not isinstance(told.teller, PromptTeller)


async def test_the_whole_has_ended_when_each_agent_has(told: Told, shop: Workshop):
    """Told one after the other, in whatever order; who waits for one of them has it at once, who waits for all looks
    once more: they were told at several times."""
    await shop.start(agent_of(lambda payload: "a", "a"), agent_of(lambda payload: "b", "b"))
    slow = shop.runs.hold("begin")
    task_id = await shop.publish("x")
    whole, part = told.wait(task_id), told.wait(task_id, "b")
    await shop.rest()
    slow.set()
    a, b = await told.ended(task_id, "a"), await told.ended(task_id, "b")
    records, ended = told.queries
    await told.teller.tell(Ended(task_id, b))
    assert (await part).result == "b"
    assert not whole.done()
    assert told.queries == (records, ended)
    await told.teller.tell(Ended(task_id, a))
    assert (await whole).result == {"a": "a", "b": "b"}
    assert told.queries == (records + 1, ended)


async def test_the_whole_has_not_ended_while_one_agent_runs_anew(told: Told, shop: Workshop):
    """It was requeued after its end was told, before that of the other."""
    first, second = Gated(), Gated()
    await shop.start(agent_of(first, "a"), agent_of(second, "b"))
    task_id = await shop.publish("x")
    waiting = told.wait(task_id)
    await shop.rest()
    first.let_go.set()
    await told.teller.tell(Ended(task_id, await told.ended(task_id, "a")))
    first.let_go.clear()
    await shop.storage.commands.requeue(task_id, "a")
    second.let_go.set()
    await told.teller.tell(Ended(task_id, await told.ended(task_id, "b")))
    assert not waiting.done()
    first.let_go.set()
    await told.teller.tell(Ended(task_id, await told.ended(task_id, "a")))
    assert [run.status.value for run in (await waiting).runs] == ["succeeded", "succeeded"]


async def test_who_is_told_a_name_looks(told: Told, shop: Workshop):
    """The run was too large to be told, or there is none: each asks once."""
    handler = Gated()
    await shop.start(agent_of(handler))
    task_id = await shop.publish("x")
    waiting = told.wait(task_id)
    await shop.rest()
    handler.let_go.set()
    await told.ended(task_id)
    records, ended = told.queries
    await told.teller.tell(Ended(task_id))
    assert (await waiting).result == "x"
    assert told.queries == (records + 1, ended)


async def test_an_earlier_life_that_is_told_late_is_not_the_end(told: Told, shop: Workshop):
    """It was requeued meanwhile: the wait goes on for the new life."""
    handler = Gated()
    await shop.start(agent_of(handler))
    handler.let_go.set()
    task_id = await shop.publish("x")
    first = await told.ended(task_id)
    handler.let_go.clear()
    await shop.storage.commands.requeue(task_id, "greeter")
    waiting = told.wait(task_id)
    await shop.rest()
    await told.teller.tell(Ended(task_id, first))
    assert not waiting.done()
    handler.let_go.set()
    second = await told.ended(task_id)
    await told.teller.tell(Ended(task_id, second))
    assert (await waiting).status == "succeeded"
    assert second.life == first.life + 1


@pytest.mark.parametrize("is_noisy", [False, True])
async def test_what_is_not_told_is_found_within_a_second(told: Told, shop: Workshop, is_noisy):
    """Also while others end all the time."""
    handler = Gated()
    await shop.start(agent_of(handler))
    task_id = await shop.publish("x")
    waiting = told.wait(task_id)
    await shop.rest()
    handler.let_go.set()
    run = await told.ended(task_id)
    async with asyncio.timeout(4):
        while not waiting.done():
            if is_noisy:
                await told.teller.tell(Ended("another", replace(run, task_id="another")))
            await asyncio.sleep(0.01)
    assert (await waiting).status == "succeeded"


# --- those who wait at once -------------------------------------------------------------------------------------------


@pytest.fixture
async def prompt(shop: Workshop):
    """Somebody has waited before: from then on ends are told."""
    told = Told(shop, PromptTeller())
    with pytest.raises(TaskNotFound):
        await told.wait("unknown")
    shop.ports["queries"].calls.clear()
    yield told
    await told.results.close()


def standing_of(run: Run, *agents: str) -> TaskStanding | None:
    """As a store tells it: of a task whose only agent has ended it."""
    is_all = agents == (run.subscription.agent,)
    return TaskStanding(run.task_id, run.subscription.topic, run.queued_at, agents, (run,)) if is_all else None


@pytest.mark.parametrize("agent", [None, "greeter"])
async def test_who_waits_at_once_asks_nothing(prompt: Told, shop: Workshop, agent):
    """What was published just now has not ended; what it comes to is told, with all that the result says."""
    await shop.start(agent_of(lambda payload: payload, "greeter"))
    task_id = await shop.publish("x")
    run = await prompt.ended(task_id)
    before = prompt.queries
    prompt.results.published(task_id)
    waiting = prompt.wait(task_id, agent)
    await asyncio.sleep(0)
    await prompt.teller.tell(Ended(task_id, run, standing_of(run, "greeter")))
    told = await waiting
    assert prompt.queries == before
    assert told == await shop.results.wait(task_id, 5.0, agent)


@pytest.mark.parametrize("what", ["nothing", "the name", "one of several", "another agent"])
async def test_who_waits_at_once_looks_where_that_is_not_told(prompt: Told, shop: Workshop, what):
    """Soon, whatever it was; several agents and an agent that is not the one told are looked up too."""
    names = ("greeter", "other") if what in ("one of several", "another agent") else ("greeter",)
    await shop.start(*[agent_of(lambda payload: payload, name) for name in names])
    task_id = await shop.publish("x")
    runs = [await prompt.ended(task_id, name) for name in names]
    prompt.results.published(task_id)
    waiting = prompt.wait(task_id, "other" if what == "another agent" else None)
    await asyncio.sleep(0)
    if what == "the name":
        await prompt.teller.tell(Ended(task_id))
    elif what != "nothing":
        await prompt.teller.tell(Ended(task_id, runs[0], standing_of(runs[0], *names)))
    assert (await waiting).status == "succeeded"
    assert prompt.queries[0] == 1


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_waits_later_looks_first(prompt: Told, shop: Workshop, monkeypatch: pytest.MonkeyPatch, is_late):
    """It may have ended; and what somebody else has published as well."""
    monkeypatch.setattr(waiting, "_HEADSTART_SECONDS", 3600.0)
    await shop.start(agent_of(lambda payload: payload, "greeter"))
    task_id = await shop.publish("x")
    await prompt.ended(task_id)
    if is_late:
        prompt.results.published(task_id)
        await asyncio.sleep(0.005)
    assert (await prompt.results.wait(task_id, 5.0, None)).status == "succeeded"


async def test_who_has_no_time_for_a_head_start_looks_first(
    prompt: Told, shop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    """It would time out before its first look."""
    monkeypatch.setattr(waiting, "_HEADSTART_SECONDS", 3600.0)
    await shop.start(agent_of(lambda payload: payload, "greeter"))
    task_id = await shop.publish("x")
    await prompt.ended(task_id)
    prompt.results.published(task_id)
    assert (await prompt.results.wait(task_id, 60.0, None)).status == "succeeded"
    assert prompt.queries == (1, 0)


async def test_what_is_published_and_not_waited_for_is_forgotten(prompt: Told, shop: Workshop):
    """However many; all of those that are published together and that are too many to have been at once."""
    for number in range(1000):
        prompt.results.published(f"task-{number}")
    assert 0 < len(prompt.results._published) <= waiting._MOST_PUBLISHED
    prompt.results._published.clear()
    prompt.results.published_together([f"task-{number}" for number in range(100)])
    assert not prompt.results._published
    prompt.results.published_together(["a", "b"])
    assert list(prompt.results._published) == ["a", "b"]


@pytest.mark.parametrize("teller", [Teller, PromptTeller])
async def test_what_is_published_is_not_kept_where_nothing_is_told(shop: Workshop, teller: type[Teller]):
    """Nor before somebody waits for the first time: that one looks, since nobody has listened."""
    await shop.start(agent_of(lambda payload: payload, "greeter"))
    told = Told(shop, teller())
    task_id = await shop.publish("x")
    await told.ended(task_id)
    told.results.published(task_id)
    assert (await told.wait(task_id)).status == "succeeded"
    assert told.queries == (1, 0)
    told.results.published(task_id)
    assert bool(told.results._published) is (teller is PromptTeller)
    await told.results.close()


async def test_nobody_listens_long_for_nobody(prompt: Told, shop: Workshop, monkeypatch: pytest.MonkeyPatch):
    """Who waits for one after the other shares a listener; it ends by itself."""
    monkeypatch.setattr(waiting, "_BACKSTOP_SECONDS", 0.02)
    await shop.start(agent_of(lambda payload: payload, "greeter"))
    for _ in range(2):
        task_id = await shop.publish("x")
        await prompt.ended(task_id)
        await prompt.wait(task_id)
    before = prompt.queries
    await shop.until(lambda: prompt.teller.is_closed)
    assert prompt.queries == before
