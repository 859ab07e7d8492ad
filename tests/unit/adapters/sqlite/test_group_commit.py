"""The writer: groups, isolation, order, cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import apsw
import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.writer import BatchLimits
from omnidaemon.domain.errors import BackendError
from tests.unit.adapters.sqlite.turns import queued, settled


async def test_pending_calls_share_one_transaction(database, hold_writer, insert, words, statements):
    """Fifty concurrent calls cost two transactions: that of the one they waited for, and their own."""
    async with hold_writer():
        tasks = await queued(database.write(insert(str(n))) for n in range(50))
    await asyncio.gather(*tasks)
    counts = Counter(statements)
    assert counts["BEGIN IMMEDIATE"] == counts["COMMIT"] == 2
    assert counts["SAVEPOINT call"] == 50
    assert await words() == [str(n) for n in range(50)]


async def test_a_lone_call_costs_two_statements_besides_its_own(database, insert, statements):
    """No savepoint and no pragma where none is needed."""
    await database.write(insert("a"))
    assert statements == ["BEGIN IMMEDIATE", "INSERT INTO words VALUES (?)", "COMMIT"]


async def test_a_batch_is_bounded_by_calls(database, hold_writer, insert, statements):
    """A hundred calls make two batches of at most 64."""
    async with hold_writer():
        tasks = await queued(database.write(insert(str(n))) for n in range(100))
    await asyncio.gather(*tasks)
    assert Counter(statements)["COMMIT"] == 3


async def test_a_batch_is_bounded_by_time(tmp_path, insert):
    """With no time at all, each call gets a transaction of its own, in the order of coming."""
    limits = BatchLimits(seconds=0.0)
    async with Database(tmp_path / "db", migrations=("CREATE TABLE words (word)",), batch_limits=limits) as database:
        await asyncio.gather(*(database.write(insert(str(n))) for n in range(20)))
        rows = await database.read(lambda cursor: cursor.execute("SELECT word FROM words ORDER BY rowid").fetchall())
        assert rows == [(str(n),) for n in range(20)]


async def test_results_and_exceptions_go_to_their_own_callers(database, hold_writer, insert, words):
    """One call's exception, of whatever kind, undoes its own part only."""

    def broken(error):
        def work(cursor):
            insert("lost")(cursor)
            raise error

        return work

    errors = [ValueError("mine"), KeyError("also"), StopIteration(), asyncio.CancelledError()]
    async with hold_writer():
        works = [insert("a"), *map(broken, errors), lambda _: 42, insert("b")]
        tasks = await queued(database.write(work) for work in works)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[0] is outcomes[-1] is None
    assert outcomes[1] is errors[0]
    assert outcomes[2] is errors[1]
    assert isinstance(outcomes[3], RuntimeError)
    assert isinstance(outcomes[4], asyncio.CancelledError)
    assert outcomes[5] == 42
    assert await words() == ["a", "b"]


async def test_a_lone_failing_call_is_undone(database, insert, words):
    """Also without a savepoint."""

    def work(cursor):
        insert("lost")(cursor)
        raise ValueError("undo this")

    with pytest.raises(ValueError, match="undo this"):
        await database.write(work)
    await database.write(insert("kept"))
    assert await words() == ["kept"]


@pytest.mark.parametrize("is_alone", [True, False])
async def test_no_apsw_exception_escapes(database, hold_writer, is_alone):
    """A mistake in a statement comes as a BackendError that names the file."""
    async with hold_writer():
        others = [] if is_alone else await queued([database.write(lambda _: 1)])
        (task,) = await queued([database.write(lambda cursor: cursor.execute("SELECT missing FROM words"))])
    with pytest.raises(BackendError, match="no such column") as caught:
        await task
    assert isinstance(caught.value.__cause__, apsw.SQLError)
    assert caught.value.location == str(database.path)
    assert await asyncio.gather(*others) == [1] * len(others)


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_call_that_ends_the_transaction_is_told_so(database, hold_writer, insert, words, is_alone):
    """Its neighbours fail with it, since what they did was ended too; the writer lives on."""
    async with hold_writer():
        others = [] if is_alone else await queued([database.write(insert("lost"))])
        (task,) = await queued([database.write(lambda cursor: cursor.execute("ROLLBACK").fetchall())])
    for failing in (task, *others):
        with pytest.raises(BackendError, match="ended the writer's transaction"):
            await failing
    await database.write(insert("kept"))
    assert await words() == ["kept"]


async def test_a_failing_commit_fails_all_calls(database, hold_writer, insert, words):
    """All of the batch is undone, and the next one works."""

    def dangling(cursor):
        cursor.execute(
            "CREATE TABLE p (id PRIMARY KEY); CREATE TABLE c (id REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
        )

    await database.write(dangling)
    database._session.writer._connection.execute("PRAGMA foreign_keys = ON")
    async with hold_writer():
        works = [insert("lost"), lambda cursor: cursor.execute("INSERT INTO c VALUES (1)").fetchall()]
        tasks = await queued(database.write(work) for work in works)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BackendError] * 2
    await database.write(insert("kept"))
    assert await words() == ["kept"]


async def test_urgent_calls_go_first(database, hold_writer, insert, words):
    """Renewals overtake everything that waits; each kind keeps its order."""
    async with hold_writer():
        calls = [("a", False), ("b", False), ("renew 1", True), ("c", False), ("renew 2", True)]
        tasks = await queued(database.write(insert(word), is_urgent=urgent) for word, urgent in calls)
    await asyncio.gather(*tasks)
    assert await words() == ["renew 1", "renew 2", "a", "b", "c"]


async def test_synchronous_changes_only_when_it_must(database, insert, statements):
    """FULL for a batch with a durable call, NORMAL for others, and no pragma as long as nothing changes."""
    for durable in (True, False, False, True, True):
        await database.write(insert("a"), durable=durable)
    pragmas = [sql for sql in statements if sql.startswith("PRAGMA")]
    assert pragmas == ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"]
    connection = database._session.writer._connection
    assert connection.pragma("synchronous") == 2


async def test_cancelled_waiters_do_no_harm(database, hold_writer, insert, words):
    """Before its turn a cancelled call is left out; in its turn it is committed, and nobody is told."""
    is_free, has_begun = threading.Event(), threading.Event()

    def slow(cursor):
        insert("committed anyway")(cursor)
        has_begun.set()
        is_free.wait(10)

    (running,) = await queued([database.write(slow)])
    await settled(has_begun.is_set)
    left, kept = await queued([database.write(insert("left out")), database.write(insert("kept"))])
    running.cancel()
    left.cancel()
    await settled(left.done)
    is_free.set()
    await kept
    assert await words() == ["committed anyway", "kept"]


async def test_one_wake_up_per_batch(database, hold_writer, insert, monkeypatch):
    """Twenty answers cross into the loop by one call_soon_threadsafe."""
    loop = asyncio.get_running_loop()
    wake_ups = []
    original = loop.call_soon_threadsafe

    def counting(*args, **kwargs):
        wake_ups.append(args)
        return original(*args, **kwargs)

    async with hold_writer():
        tasks = await queued(database.write(insert("a")) for _ in range(20))
        monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
    await asyncio.gather(*tasks)
    assert len(wake_ups) == 2  # the call that they waited for, and theirs
