"""Files that an earlier version has written: they are brought up to date, and what is in them goes on."""

from __future__ import annotations

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import SqliteEventBus, SqliteResultStore
from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.schema import MIGRATIONS
from omnidaemon.domain.states import RunState
from omnidaemon.ports.outbox import OutboxFilter
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded

CODEC = JsonCodec()
RUN = """
    INSERT INTO runs (task_id, agent, topic, position, state, queued_at, life, fence, attempts, crashes, due_at,
        lease_seconds, is_cancel_requested, is_acked, seconds)
    VALUES ('t1', 'greeter', 'greet.user', 1, 'queued', 1, 1, 0, 0, 0, 1, 30.0, 0, 1, 0.0)
"""
TASK = (
    "INSERT INTO tasks (position, task_id, topic, created_at, is_logged, body) VALUES (1, 't1', 'greet.user', 1, 1, ?)"
)
TASKS = "INSERT INTO counters VALUES ('tasks', 1)"

MESSAGE = """
    INSERT INTO bus_messages (topic, agent, seq, task_id, holder, held_until, body)
    VALUES ('greet.user', 'greeter', ?, ?, ?, 1e12, ?)
"""

EVENT = "INSERT INTO journal VALUES (?, 'published', ?, 'greet.user', NULL, 0, '', 1)"
LATEST = "INSERT INTO counters VALUES ('journal', 4)"


async def test_a_run_of_the_first_version_goes_on(tmp_path):
    """It knows nobody to tell of its end, and ends as ever."""
    place = Place(data_dir=tmp_path, codec=CODEC)
    path = tmp_path / "omni.db"
    async with Database(path, migrations=MIGRATIONS[:1]) as database:
        body = CODEC.encode_task(place.task())
        await database.write(lambda cursor: (cursor.execute(TASK, (body,)), cursor.execute(TASKS), cursor.execute(RUN)))
    async with SqliteResultStore(path)(place.context()) as storage:
        worker = ScriptedWorker(storage.runs)
        grant = await worker.claimed(GREETER)
        assert grant.run.return_address is None
        assert await worker.settle(grant, succeeded())
        (run,) = (await storage.queries.records(["t1"]))["t1"].runs
        assert run.state is RunState.SUCCEEDED
        # What begins now gets a row number of its own.
        await worker.begun(place.task("t2"), GREETER)
        records = await storage.queries.records(["t1", "t2"])
        assert [records[name].runs[0].state for name in ("t1", "t2")] == [RunState.SUCCEEDED, RunState.RUNNING]
        assert (await storage.outbox.find(OutboxFilter())).entries == ()


async def test_what_waited_in_an_older_queue_is_handed_out(tmp_path):
    """Also what somebody held as it was brought up to date: nobody knows any more who, and the store drops what it has
    begun."""
    place = Place(data_dir=tmp_path, codec=CODEC)
    path = tmp_path / "omni.db"
    async with Database(path, migrations=MIGRATIONS[:3]) as database:
        bodies = [CODEC.encode_task(place.task(name)) for name in ("t1", "t2")]
        rows = [(1, "t1", None, bodies[0]), (2, "t2", "somebody", bodies[1])]
        await database.write(
            lambda cursor: (
                cursor.execute("INSERT INTO bus_subscriptions VALUES ('greet.user', 'greeter', 0)"),
                cursor.executemany(MESSAGE, rows),
            )
        )
    async with SqliteEventBus(path)(place.context()) as bus:
        inbox = await bus.subscribe([GREETER])
        deliveries = await inbox.receive({GREETER: 5}, wait_seconds=0)
        assert [delivery.task.task_id for delivery in deliveries] == ["t1", "t2"]
        await inbox.close()


async def test_the_journal_of_an_older_file_is_read_as_it_was(tmp_path):
    """Each event under its position, for all and for its task; what is new follows on it."""
    place = Place(data_dir=tmp_path, codec=CODEC)
    path = tmp_path / "omni.db"
    rows = [(number, f"t{number % 2}") for number in range(1, 5)]
    async with Database(path, migrations=MIGRATIONS[:3]) as database:
        await database.write(lambda cursor: (cursor.executemany(EVENT, rows), cursor.execute(LATEST)))
    async with SqliteResultStore(path)(place.context()) as storage:
        await storage.log.add([place.task("t1")])
        assert [(event.position, event.task_id) for event in await storage.journal.read()] == [*rows, (5, "t1")]
        assert [event.position for event in await storage.journal.read(task_id="t1")] == [1, 3, 5]
