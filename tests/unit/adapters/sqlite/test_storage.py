"""The SQLite storage beyond its contract: a reboot, last chances in a crowd, big removals, listings over many pages."""

from __future__ import annotations

import shutil
from datetime import timedelta

import attrs
import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import registry as registry_module
from omnidaemon.adapters.sqlite import sqlite_bus, sqlite_storage
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import RetryAfter
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.states import RunState, Status
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import AckableInbox
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.run_store import AckingRunStore
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.place import TOPIC
from omnidaemon.testing.worker import ScriptedWorker, states, succeeded


@pytest.fixture
async def storage(place):
    async with sqlite_storage(place.context()) as storage:
        yield storage


async def found(storage, **wanted):
    ids, cursor = [], None
    while True:
        page = await storage.queries.find(TaskFilter(**wanted), cursor, 7)
        ids += [each.task_id for each in page.standings]
        cursor = page.cursor
        if cursor is None:
            return ids


async def test_a_listing_leaves_undecoded_what_tasks_say(place, storage, monkeypatch):
    """It shows how they stand; what they say takes as long to decode as all the rest."""
    worker = ScriptedWorker(storage.runs)
    await worker.begun(place.task("t1"), GREETER)
    monkeypatch.delattr(JsonCodec, "decode_task")
    assert await found(storage) == ["t1"]
    with pytest.raises(AttributeError):
        await storage.queries.records(["t1"])


async def rows_of(storage, statement):
    return await storage._space.read(lambda reading: reading.rows(statement))


async def rows_in(storage, table):
    return await rows_of(storage, f"SELECT * FROM {table}")  # noqa: S608 - a name from this file


@pytest.mark.parametrize("steady", [3.0, 1_000_000.0], ids=["steady clock behind", "steady clock ahead"])
async def test_after_a_reboot_all_owners_are_dead(place, steady):
    """Their runs are due at once, without a grace, wherever the new steady clock stands."""
    async with sqlite_storage(place.context()) as storage:
        worker = ScriptedWorker(storage.runs)
        await worker.begun(place.task(), GREETER)
        await worker.renew()
    later = attrs.evolve(place, clock=ManualClock(steady=steady, boot_id="next"), processes={})
    async with sqlite_storage(later.context()) as storage:
        grant = await ScriptedWorker(storage.runs, "w2").claimed(GREETER)
        assert (grant.run.crashes, grant.run.fence) == (1, 2)


async def test_what_a_power_failure_took_back_leaves_no_position_to_others(place, tmp_path):
    """Somebody has read of a run's start before the disk had it. He misses nothing of what comes instead."""
    saved = tmp_path / "saved"
    saved.mkdir()
    async with sqlite_bus(place.context()) as bus, sqlite_storage(place.context()) as storage:
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await bus.declare({GREETER: Start.NOW})
        await bus.publish_logged([place.task("t1"), place.task("t2")])
        for suffix in ("db", "db-wal"):
            shutil.copy(tmp_path / f"{place.namespace}.{suffix}", saved)
        inbox = await bus.subscribe([GREETER])
        deliveries = await inbox.receive({GREETER: 2}, wait_seconds=0)
        worker = ScriptedWorker(storage.runs)
        intakes = [worker.start_of(each.task, GREETER) for each in deliveries if isinstance(each.task, Task)]
        assert isinstance(inbox, AckableInbox)
        assert isinstance(storage.runs, AckingRunStore)
        await storage.runs.begin_acked(worker.request("begin"), intakes, inbox.acks(deliveries))
        seen = await storage.journal.latest()
        await inbox.close()
    later = attrs.evolve(place, data_dir=saved, clock=ManualClock(steady=3.0, boot_id="next"), processes={})
    async with sqlite_bus(later.context()) as bus, sqlite_storage(later.context("other")) as storage:
        await bus.publish_logged([later.task("t3"), later.task("t4")])
        assert [event.task_id for event in await storage.journal.read(seen)] == ["t3", "t4"]


async def test_the_bus_takes_note_of_a_boot_before_it_writes(place):
    """Also where the storage is opened later, or never."""
    async with sqlite_bus(place.context()) as bus, sqlite_storage(place.context()) as storage:
        await bus.publish_logged([place.task("t1")])
        first = await storage.journal.latest()
    later = attrs.evolve(place, clock=ManualClock(boot_id="next"), processes={})
    for number in (2, 3):
        async with sqlite_bus(later.context()) as bus:
            await bus.publish_logged([later.task(f"t{number}")])
    async with sqlite_storage(later.context()) as storage:
        assert [event.position - first for event in await storage.journal.read(first)] == [1_000_001, 1_000_002]


async def test_opening_again_in_the_same_boot_disturbs_nobody(place):
    async with sqlite_storage(place.context()) as storage:
        worker = ScriptedWorker(storage.runs)
        grant = await worker.begun(place.task(), GREETER)
        async with sqlite_storage(place.context("other")) as other:
            assert (await ScriptedWorker(other.runs, "w2").claim(worker.limit(GREETER))).grants == ()
        assert await worker.settle(grant, succeeded())


async def test_a_crowd_of_due_runs_hides_no_last_chance(place, storage):
    """A busy worker hears of it although hundreds of runs are due before it."""
    worker = ScriptedWorker(storage.runs)
    for _ in range(2):
        await worker.begin(*(HoldRun(task=place.task(f"t{n}"), subscription=GREETER) for n in range(300)))
    run_id = (await rows_of(storage, "SELECT max(run_id) FROM runs"))[0][0]
    await storage._space.write(
        lambda ledger: ledger.cursor.execute("UPDATE runs SET crashes = 2 WHERE run_id = ?", (run_id,)).fetchall()
    )
    claims = await worker.claim(worker.limit(GREETER, slots=5))
    assert (len(claims.grants), claims.has_last_chance) == (5, True)
    (grant,) = (await worker.claim(worker.limit(GREETER, slots=5), is_idle=True)).grants
    assert grant.run.crashes == 2


async def test_removing_an_agent_with_many_runs_goes_in_steps(place, storage, monkeypatch):
    """All of them are cancelled or flagged before the agent is gone, and nothing of it is left in the listings."""
    for name in ("_OPEN_RUNS", "_FORGET_UNBEGUN"):
        monkeypatch.setattr(registry_module, name, getattr(registry_module, name).replace("LIMIT 1000", "LIMIT 7"))
    monkeypatch.setattr(registry_module, "_CANCELLED_AT_ONCE", 7)
    await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
    await place.pass_time(0.01)
    await storage.log.add([place.task(f"queued{number}") for number in range(20)])
    worker = ScriptedWorker(storage.runs)
    await worker.begin(*(HoldRun(task=place.task(f"held{n}"), subscription=GREETER) for n in range(20)))
    for number in range(20):
        await worker.begun(place.task(f"running{number}"), GREETER)
    await storage.registry.remove(GREETER)
    counts = await storage.queries.counts()
    assert counts == {(GREETER, Status.CANCELLED): 20, (GREETER, Status.RUNNING): 20}
    assert await rows_of(storage, "SELECT DISTINCT is_cancel_requested FROM runs WHERE state = 'running'") == [(1,)]
    assert await rows_of(storage, "SELECT * FROM unbegun WHERE agent = 'greeter'") == []


async def test_listings_agree_with_the_records(place, storage):
    """Every filter, over several pages, gives what the records say, newest first."""
    await storage.registry.register([AgentProfile(subscription=LOGGER)])
    await place.pass_time(0.01)
    worker = ScriptedWorker(storage.runs)
    every = []
    for number in range(60):
        task = place.task(f"t{number:02}", topic=TOPIC if number % 3 else "other")
        every.append(task.task_id)
        if number % 5:
            await storage.log.add([task])
        if number % 4:
            subscription = (GREETER, LOGGER)[number % 2] if number % 3 else Subscription("other", "greeter")
            grant = await worker.begun(task, subscription)
            if number % 7:
                await worker.settle(grant, RetryAfter(seconds=50.0) if number % 2 else succeeded())
        elif number % 8 == 0 and number % 5:
            await storage.commands.cancel(task.task_id)
    records = await storage.queries.records(every)
    for status in (None, *Status):
        for topic in (None, TOPIC, "other", "nowhere"):
            for agent in (None, "greeter", "logger", "nobody"):
                wanted = {"status": status, "topic": topic, "agent": agent}
                expected = [i for i in reversed(every) if i in records and records[i].matches(**wanted)]
                assert await found(storage, **wanted) == expected, wanted


async def test_a_deleted_task_leaves_no_row_behind(place, storage):
    """In any table but the journal and the tombstones."""
    await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
    await place.pass_time(0.01)
    task = place.task(idempotency_key="k")
    await storage.log.reserve([task])
    worker = ScriptedWorker(storage.runs)
    await worker.settle(await worker.begun(task, GREETER), succeeded())
    await storage.commands.delete("t1")
    for table in ("tasks", "runs", "unbegun", "idempotency_keys", "schedules"):
        assert await rows_in(storage, table) == [], table


async def test_retention_forgets_what_is_of_no_use(place, storage):
    """Lanes and workers of long ago, tombstones past their life."""
    worker = ScriptedWorker(storage.runs)
    await worker.settle(await worker.begun(place.task(), GREETER), succeeded(), is_acked=False)
    await place.pass_time(10)
    await storage.commands.prune(timedelta(seconds=1), None, 10)
    assert await rows_of(storage, "SELECT task_id, agent FROM tombstones") == [("t1", "greeter")]
    await place.pass_time(timedelta(days=8).total_seconds())
    await storage.commands.prune(timedelta(seconds=1), None, 10)
    for table in ("tombstones", "lanes", "journal_entries"):
        assert await rows_in(storage, table) == [], table


async def test_journal_positions_go_on_after_everything_was_pruned(place, storage):
    """Who follows the journal from a position misses nothing."""
    await storage.log.add([place.task("t1")])
    (last,) = await storage.journal.read()
    await place.pass_time(10)
    await storage.commands.prune(timedelta(seconds=1), None, 10)
    await storage.log.add([place.task("t2")])
    assert [event.task_id for event in await storage.journal.read(after=last.position)] == ["t2"]


async def test_states_of_a_held_run_survive_a_restart(place):
    async with sqlite_storage(place.context("first")) as storage:
        await ScriptedWorker(storage.runs).begin(HoldRun(task=place.task(), subscription=GREETER))
    async with sqlite_storage(place.context("second")) as storage:
        record = (await storage.queries.records(["t1"]))["t1"]
        assert states(record.runs) == {"greeter": RunState.QUEUED}
