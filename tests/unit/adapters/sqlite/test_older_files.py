"""Files that an earlier version has written: they are brought up to date, and what is in them goes on."""

from __future__ import annotations

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import SqliteResultStore
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


async def test_a_run_of_the_first_version_goes_on(tmp_path):
    """It knows nobody to tell of its end, and ends as ever."""
    place = Place(data_dir=tmp_path, codec=CODEC)
    path = tmp_path / "omni.db"
    async with Database(path, migrations=MIGRATIONS[:1]) as database:
        body = CODEC.encode_task(place.task())
        await database.write(lambda cursor: (cursor.execute(TASK, (body,)), cursor.execute(RUN)))
    async with SqliteResultStore(path)(place.context()) as storage:
        worker = ScriptedWorker(storage.runs)
        grant = await worker.claimed(GREETER)
        assert grant.run.return_address is None
        assert await worker.settle(grant, succeeded())
        (run,) = (await storage.queries.records(["t1"]))["t1"].runs
        assert run.state is RunState.SUCCEEDED
        assert (await storage.outbox.find(OutboxFilter())).entries == ()
