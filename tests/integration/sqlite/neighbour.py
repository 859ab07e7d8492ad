"""Another process at the same SQLite file; what it does is its second argument."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

import apsw

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring

SCHEMA = ("CREATE TABLE words (word TEXT NOT NULL)", "CREATE TABLE marks (process INTEGER PRIMARY KEY)")


def say(word: object) -> None:
    """Tell the test, one line at a time."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def heard() -> str:
    """Wait for a line from the test."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


def insert(word: str) -> Callable[[apsw.Cursor], None]:
    """Give the work that adds a word."""

    def work(cursor: apsw.Cursor) -> None:
        cursor.execute("INSERT INTO words VALUES (?)", (word,))

    return work


async def mark(database: Database) -> None:
    """Open a file that is perhaps new, and leave a mark."""
    await heard()
    async with database:
        await database.write(lambda cursor: cursor.execute("INSERT INTO marks VALUES (?)", (os.getpid(),)).fetchall())
    say("marked")


async def write(database: Database, seconds: str = "60") -> None:
    """Write as fast as one caller can, and report how often and how long the longest took."""
    async with database:
        say("ready")
        await heard()
        count, longest = 0, 0.0
        ends_at = time.monotonic() + float(seconds)
        while (started_at := time.monotonic()) < ends_at:
            await database.write(insert("x"))
            longest = max(longest, time.monotonic() - started_at)
            count += 1
        say(json.dumps({"count": count, "longest_seconds": longest}))


async def stick(database: Database) -> None:
    """Stand still in the middle of a transaction."""

    def work(cursor: apsw.Cursor) -> None:
        cursor.execute("INSERT INTO words VALUES ('never')")
        say("inside")
        time.sleep(60)

    async with database:
        await database.write(work)


async def queue(database: Database) -> None:
    """Stand still in the turnstile, outside of any transaction: first in the queue behind the writer."""
    async with database:
        say("ready")
        await heard()
        await database.write(insert("late"))
        say("done")


async def ring(database: Database) -> None:
    """Write and ring at each line from the test, and tell when."""
    async with database:
        say("ready")
        while await heard():
            rung_at = time.monotonic()
            await database.write(insert("ring"), rings=Ring.EVERYBODY)
            say(rung_at)


async def listen(database: Database) -> None:
    """Listen, and tell of each ring."""
    async with database:
        with database.doorbell.listen() as listener:
            say("ready")
            while await listener.wait(30):
                say("rung")


if __name__ == "__main__":
    _, path, mode, *rest = sys.argv
    modes = {each.__name__: each for each in (mark, write, stick, queue, ring, listen)}
    asyncio.run(modes[mode](Database(path, migrations=SCHEMA), *rest))
