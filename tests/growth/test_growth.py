"""A call costs the same whatever is stored: counted at a thousand tasks and at many more, never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from tests.growth.counting import Cost, CostCounter, counted_redis, counted_sqlite, place_in
from tests.growth.fleet import register_many, unaffected_by_agents
from tests.growth.measured import PAGE, page, recorded
from tests.growth.operations import GROWING, operations
from tests.growth.population import STEP, Population
from tests.servers.amounts import amount
from tests.servers.redis_servers import PrivateRedis, binary

MANY = amount(8 * STEP, 100 * STEP)
MANY_AGENTS = amount(1000, 10_000)
MOST_STEPS_FOR_A_RUN = 12
SLACK = 1.3
"""Work grows by the depth of an index and the digits of a number, and by no more."""

SPARE_ELEMENTS = 5
"""A worker or an event more, since each operation has been called once more by then."""

Opened = tuple[Storage, CostCounter, Place]


@pytest.fixture(params=["sqlite", "redis"])
async def opened(request, tmp_path) -> AsyncIterator[Opened]:
    """A storage of nobody else's, and what counts it."""
    if request.param == "sqlite":
        place = place_in(tmp_path)
        async with counted_sqlite(place) as (storage, counter):
            yield storage, counter, place
        return
    server = PrivateRedis(binary(), tmp_path)
    server.start()
    try:
        place = place_in(tmp_path, server.url)
        async with counted_redis(place, server.url) as (storage, redis_counter):
            yield storage, redis_counter, place
    finally:
        server.stop()


def grown(name: str, few: Cost, many: Cost, work: str) -> str:
    """What has grown between these two, empty when nothing has."""
    walked_more = Counter(many.walked) - Counter(few.walked)
    if walked_more.total() > SPARE_ELEMENTS:
        return f"{name}: goes through more with many rows: {walked_more.most_common(3)}"
    if many.calls <= few.calls and many.work <= SLACK * few.work + 200 and many.scans <= few.scans:
        return ""
    more = Counter(many.parts) - Counter(few.parts)
    return (
        f"{name}: {few.calls} calls, {few.work} {work} with few rows; "
        f"{many.calls} calls, {many.work} {work} with many; most of it: {more.most_common(3)}"
    )


async def test_calls_cost_the_same_however_many_tasks_are_stored(opened: Opened):
    """Listings with each filter, dead letters, webhooks, the registry, metrics, the journal, the gates."""
    storage, counter, place = opened
    population = Population(storage, place)
    await population.settle_in()
    costs: list[dict[str, Cost]] = []
    for count in (STEP, MANY):
        await population.grow(count)
        asked = operations(storage, place, population)
        costs.append({name: await counter.cost_of(operation) for name, operation in asked.items()})
    few, many = costs
    wrong = [what for name in few.keys() - GROWING if (what := grown(name, few[name], many[name], counter.work))]
    assert not wrong, "\n".join(wrong)
    for name in GROWING:
        assert many[name].calls == few[name].calls
        assert many[name].work <= MOST_STEPS_FOR_A_RUN * MANY, f"{name}: {many[name].work} {counter.work}"


async def test_calls_cost_the_same_however_many_agents_are_registered(opened: Opened):
    storage, counter, place = opened
    population = Population(storage, place)
    await population.settle_in()
    await population.grow(STEP)
    costs: list[dict[str, Cost]] = []
    for count in (10, MANY_AGENTS):
        await register_many(storage, count)
        asked = unaffected_by_agents(storage, place, population)
        costs.append({name: await counter.cost_of(operation) for name, operation in asked.items()})
    few, many = costs
    wrong = [what for name in few if (what := grown(name, few[name], many[name], counter.work))]
    assert not wrong, "\n".join(wrong)


async def test_retention_costs_by_what_it_removes(opened: Opened):
    """And not by what is left, also when there is much of that."""
    storage, counter, place = opened
    population = Population(storage, place)
    await population.settle_in()
    costs: list[Cost] = []
    for count in (STEP, MANY // 2):
        await population.grow(count)

        async def sweep() -> None:
            # Some of these are called, the second is counted.
            assert await storage.commands.prune(timedelta(0), None, 50) == 50

        costs.append(await counter.cost_of(sweep))
    few, many = costs
    assert not (what := grown("prune", few, many, counter.work)), what


async def test_retention_goes_in_steps(opened: Opened):
    """However much there is to remove, nobody waits longer for it than for some of it."""
    storage, counter, place = opened
    population = Population(storage, place)
    await population.settle_in()
    longest: list[int] = []
    for count in (2 * STEP, MANY):
        await population.grow(count)
        longest.append(await counter.longest_step_of(lambda: storage.commands.prune(timedelta(0), None, 1_000_000)))
    few, many = longest
    assert many <= SLACK * few, f"a step of {many} where there is much to remove, of {few} where there is little"


def test_the_page_is_made_of_the_measurements():
    """Written by `python -m tests.growth`, and not by hand."""
    assert PAGE.read_text(encoding="utf-8") == page(recorded())


def test_what_was_measured_does_not_grow():
    """With a hundred thousand tasks, and with ten thousand agents."""
    told = recorded()
    for rows in ("tasks", "agents"):
        for store, measured in told[rows].items():
            for name in measured["costs"].keys() - GROWING:
                costs = measured["costs"][name]
                few, many = (Cost(*costs[at]) for at in (0, -1))
                assert not (what := grown(f"{store}, {name}", few, many, measured["work"])), what
