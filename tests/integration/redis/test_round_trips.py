"""What a batch costs: round trips, counted."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import HoldRun
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded


@pytest.fixture
def worker(storage):
    return ScriptedWorker(storage.runs, "w1")


@pytest.fixture
def trips(storage, monkeypatch):
    """The scripts that were run, and the plain commands that were sent together, in order."""
    names = []
    connection = storage._space.connection
    run, send = connection.script, connection.together

    async def counted(script, keys, args):
        names.append(script.digest)
        return await run(script, keys, args)

    async def counted_together(commands, many):
        names.append("together")
        return await send(commands, many)

    monkeypatch.setattr(connection, "script", counted)
    monkeypatch.setattr(connection, "together", counted_together)
    return names


def tasks(place, count):
    return [place.task(f"t{number}") for number in range(count)]


async def test_fresh_batch_costs_one_round_trip_at_each_gate(place, storage, worker, trips):
    """Begin, renew and finish of a hundred tasks: one each, since nobody else has touched the runs."""
    published = tasks(place, 100)
    await storage.log.add(published)
    await worker.renew()
    trips.clear()
    grants = await worker.begin(*(worker.start_of(task, GREETER) for task in published))
    assert len(trips) == 1
    assert not (await worker.renew(*grants)).lost
    assert len(trips) == 2
    assert all(await worker.finish(*(outcome(grant, succeeded()) for grant in grants)))
    assert len(trips) == 3


async def test_tasks_that_nobody_has_logged_cost_one_more(place, worker, trips):
    """Those of foreign producers: they are sent once the server has said that it lacks them."""
    await worker.renew()
    trips.clear()
    assert all(await worker.begin(*(worker.start_of(task, GREETER) for task in tasks(place, 100))))
    assert len(trips) == 2


async def test_renewal_is_not_refused_for_what_is_finished_beside_it(place, worker, trips):
    """It takes its turn among them: on a busy machine it would otherwise come too late for every lease."""
    await worker.renew()
    grants = await worker.begin(*(worker.start_of(task, GREETER) for task in tasks(place, 60)))
    trips.clear()
    finishes = [worker.finish(outcome(grant, succeeded())) for grant in grants[:20]]
    *_, renewals = await asyncio.gather(*finishes, worker.renew(*grants))
    assert renewals.lost == {grant.run.key for grant in grants[:20]}
    assert len(trips) <= len(finishes) + 2


async def test_idle_claim_costs_one_round_trip(worker, trips):
    """A worker asks several times a second when nothing is due."""
    await worker.renew()
    trips.clear()
    await worker.claim(worker.limit(GREETER))
    assert len(trips) == 1


async def test_claim_of_many_costs_two_round_trips(place, worker, trips):
    """One to look, one to grant; and one for the end of what was granted."""
    await worker.renew()
    await worker.begin(*(HoldRun(task=task, subscription=GREETER) for task in tasks(place, 100)))
    trips.clear()
    grants = (await worker.claim(worker.limit(GREETER, slots=100))).grants
    assert (len(grants), len(trips)) == (100, 2)
    await worker.finish(*(outcome(grant, succeeded()) for grant in grants))
    assert len(trips) == 3


async def test_redelivered_batch_costs_one_more(place, worker, trips):
    """The refusal of the first tells what is there already."""
    await worker.renew()
    starts = [worker.start_of(task, GREETER) for task in tasks(place, 10)]
    await worker.begin(*starts)
    trips.clear()
    assert list(await worker.begin(*starts)) == [None] * 10
    assert len(trips) == 2


@pytest.mark.parametrize("call", ["counts", "find"])
async def test_a_cancelled_call_is_cancelled(place, storage, call):
    """At whatever moment, also of a page that is read in steps; redis-py may let it go on as if nothing had been asked,
    and whoever waits for its end waits for ever."""
    await storage.log.add(tasks(place, 300))
    asked = {"counts": storage.queries.counts, "find": partial(storage.queries.find, TaskFilter(), None, 300)}[call]
    await asked()
    for pauses in range(40):
        asking = asyncio.create_task(_ask_then_stay(asked))
        for _ in range(pauses):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking], timeout=5)
        assert asking.cancelled(), pauses
    assert len((await storage.queries.find(TaskFilter(), None, 300)).standings) == 300


async def _ask_then_stay(asked):
    while True:
        await asked()


async def test_logging_costs_one_round_trip(place, storage, trips):
    await storage.log.add(tasks(place, 100))
    assert len(trips) == 1


async def test_a_listing_leaves_undecoded_what_tasks_say(place, storage, worker, trips, monkeypatch):
    """It shows how they stand, by one script that names the tasks and one that reads them; by plain commands, once it
    is known whose runs there are."""
    published = tasks(place, 100)
    await storage.log.add(published)
    await worker.begin(*(worker.start_of(task, GREETER) for task in published))
    trips.clear()
    monkeypatch.delattr(JsonCodec, "decode_task")
    page = await storage.queries.find(TaskFilter())
    assert [each.task_id for each in page.standings] == [task.task_id for task in reversed(published)]
    assert len(trips) == 2
    assert await storage.queries.find(TaskFilter()) == page
    assert len(trips) == 4
    assert trips[3] == "together"
    with pytest.raises(AttributeError):
        await storage.queries.records(["t1"])


async def test_a_batch_that_succeeds_calls_no_worker(place, storage, worker):
    """Its own would be woken by each, and all others too. Those who follow what happens hear of it."""
    grants = await worker.begin(*(worker.start_of(task, GREETER) for task in tasks(place, 100)))
    wakeups, news = storage.runs.wakeups(), storage.runs.news()
    for each in (wakeups, news):
        await eventually(partial(each.wait, 0.1))  # its channel is heard
    assert all(await worker.finish(*(outcome(grant, succeeded()) for grant in grants)))
    assert await news.wait(10)
    assert not await wakeups.wait(0.1)
    wakeups.close()
    news.close()


async def test_a_listing_is_sent_no_more_than_it_shows(place, storage, worker):
    """The runs of tasks that have other agents than those before them are found; what tasks say stays where it is."""
    published = [place.task(f"t{number}", payload=b'"%s"' % (b"x" * 10_000)) for number in range(6)]
    await storage.log.add(published)
    for number, task in enumerate(published):
        await worker.begin(worker.start_of(task, Subscription(task.topic, f"agent{number % 3}")))
    reply = await storage._space.script("standings", "", *(task.task_id for task in published))
    assert len(repr(reply)) < 10_000
    standings = (await storage.queries.find(TaskFilter())).standings
    assert [each.runs[0].subscription.agent for each in reversed(standings)] == [f"agent{n % 3}" for n in range(6)]
