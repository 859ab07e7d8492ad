"""What a store is asked and how it carries that out, and how many things it holds: for SQLite and for Redis."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import apsw.ext
import redis

_ID = re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b")
_NUMBER = re.compile(r"[(\[]?[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
_OF_THE_CONNECTION = frozenset({"AUTH", "CLIENT", "HELLO", "PING", "SELECT", "SCRIPT"})
_SHOWS_SIZE = {"LIMIT": 2, "COUNT": 1}
"""How many numbers after these words say how much is read at most, and are no part of the data."""


_BOUNDED = frozenset({"metrics", "timings"})

# --- SQLite -----------------------------------------------------------------------------------------------------------


class _Statements:
    """Hears every statement of this process, on connections that are opened from now on."""

    def __init__(self) -> None:
        self.heard: list[str] | None = None
        apsw.connection_hooks.append(lambda connection: connection.trace_v2(apsw.SQLITE_TRACE_STMT, self._note))

    def _note(self, event: dict[str, Any]) -> None:
        if self.heard is not None:
            self.heard.append(event["sql"])


_STATEMENTS = _Statements()


@contextlib.contextmanager
def asked_of_sqlite(folder: Path) -> Iterator[list[str]]:
    """Each statement, with its plan, of what this process reads from the file in this folder meanwhile."""
    told: list[str] = []
    statements: list[str] = []
    _STATEMENTS.heard = statements
    try:
        yield told
    finally:
        _STATEMENTS.heard = None
    with _opened(folder) as connection:
        told += [f"{' '.join(text.split())}: {_plan(connection, text)}" for text in statements]


def _plan(connection: apsw.Connection, text: str) -> str:
    plan = apsw.ext.query_info(connection, text, explain_query_plan=True).query_plan
    return "; ".join(_steps(plan)) if plan is not None else ""


def _steps(plan: Any) -> Iterator[str]:
    for step in plan.sub or ():
        yield step.detail
        yield from _steps(step)


def held_by_sqlite(folder: Path) -> dict[str, int]:
    """How many rows each table has, but for those that have some for each agent and for each length of a run."""
    with _opened(folder) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            f"rows of {name}": connection.execute(f'SELECT count(*) FROM "{name}"').get  # noqa: S608 - of the schema
            for (name,) in tables
            if not str(name).startswith("sqlite_") and name not in _BOUNDED
        }


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[apsw.Connection]:
    (path,) = folder.glob("*.db")
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        yield connection
    finally:
        connection.close()


# --- Redis ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def asked_of_redis(url: str) -> Iterator[list[str]]:
    """Each command that the server carries out meanwhile, for anybody, also those that scripts give."""
    told: list[str] = []
    end = uuid4().hex
    client = redis.Redis.from_url(url)
    with contextlib.closing(client), client.monitor() as monitor:

        def listen() -> None:
            while end not in (command := monitor.next_command()["command"]):
                if command.split()[0].upper() not in _OF_THE_CONNECTION:
                    told.append(without_data(command))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield told
        finally:
            client.execute_command("PING", end)
            listener.join(10)


def without_data(command: str) -> str:
    """The command with `#` for ids and numbers, but for those that say how much is read at most."""
    words: list[str] = []
    kept = 0
    for word in _ID.sub("#", command).split():
        is_kept, kept = kept > 0, max(0, kept - 1)
        words.append("#" if not is_kept and _NUMBER.fullmatch(word) else word)
        kept = _SHOWS_SIZE.get(word.upper(), kept)
    return " ".join(words)


def held_by_redis(url: str) -> dict[str, int]:
    """Keys, and the consumers of all streams."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        streams = list(client.scan_iter(_type="stream", count=1000))
        groups = [group for stream in streams for group in client.xinfo_groups(stream)]
        return {"keys": client.dbsize(), "consumers": sum(group["consumers"] for group in groups)}


# --- pairs ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def asked(folder: Path | None, url: str | None) -> Iterator[list[str]]:
    """Of whichever there is."""
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        watches = [asked_of_sqlite(folder)] if folder else []
        watches += [asked_of_redis(url)] if url else []
        found = [stack.enter_context(watch) for watch in watches]
        yield told
        stack.close()
        for each in found:
            told += each


def held(folder: Path | None, url: str | None) -> Mapping[str, int]:
    """Likewise."""
    return {**(held_by_sqlite(folder) if folder else {}), **(held_by_redis(url) if url else {})}
