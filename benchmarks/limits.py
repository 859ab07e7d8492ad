"""What the hardware allows: the least that a task could cost on Redis and on SQLite, without any guarantee around
it."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import hiredis
from driver import payload_of

_BATCH = 100


def redis_limit(port: int, count: int) -> float:
    """Tasks a second through one connection of raw protocol: read 100 of a stream; then, in one MULTI, a result with
    its expiry, an ack and a deletion for each. The JSON is read and written, as a worker has to."""
    reader = hiredis.Reader()

    with socket.create_connection(("127.0.0.1", port)) as connection:

        def replies(*commands: tuple[object, ...]) -> Iterator[object]:
            connection.sendall(b"".join(map(hiredis.pack_command, commands)))
            for _ in commands:
                while (reply := reader.gets()) is False:
                    reader.feed(connection.recv(1 << 20))
                yield reply

        list(replies(("XGROUP", "CREATE", "limit", "workers", "0", "MKSTREAM")))
        bodies = [json.dumps(payload_of(number, 0.0)) for number in range(count)]
        list(replies(*(("XADD", "limit", "*", "task", body) for body in bodies)))
        started = time.perf_counter()
        while True:
            read = ("XREADGROUP", "GROUP", "workers", "one", "COUNT", _BATCH, "STREAMS", "limit", ">")
            (found,) = replies(read)
            if not found:
                break
            commands: list[tuple[object, ...]] = [("MULTI",)]
            for entry, words in found[0][1]:  # type: ignore[index]  # hiredis calls a reply an object
                result = json.dumps(json.loads(words[1])["number"])
                commands += [
                    ("SET", b"result:" + entry, result, "EX", 86_400),
                    ("XACK", "limit", "workers", entry),
                    ("XDEL", "limit", entry),
                ]
            list(replies(*commands, ("EXEC",)))
        return count / (time.perf_counter() - started)


def sqlite_limit(folder: Path, count: int) -> float:
    """Tasks a second in a file with a write-ahead log and full sync: of 100, read and their results written, in one
    transaction."""
    database = apsw.Connection(str(folder / "limit.db"))
    database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, body TEXT, result TEXT)")
    database.execute("CREATE INDEX waiting ON tasks (id) WHERE result IS NULL")
    bodies = ((json.dumps(payload_of(number, 0.0)),) for number in range(count))
    with database:
        database.executemany("INSERT INTO tasks (body) VALUES (?)", bodies)
    started = time.perf_counter()
    while True:
        with database:
            rows = database.execute(
                "SELECT id, body FROM tasks WHERE result IS NULL ORDER BY id LIMIT ?", (_BATCH,)
            ).fetchall()
            results = [(json.dumps(json.loads(body)["number"]), task) for task, body in rows]
            database.executemany("UPDATE tasks SET result = ? WHERE id = ?", results)
        if not rows:
            break
    rate = count / (time.perf_counter() - started)
    database.close()
    return rate


if __name__ == "__main__":
    print(redis_limit(int(sys.argv[1]), 5000), sqlite_limit(Path(sys.argv[2]), 5000))
