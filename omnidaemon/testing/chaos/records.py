"""The two logs of an audit: what publishers were told, and what handlers did. Each line is one write, then synced."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import cast

import attrs


class Answer(StrEnum):
    """What a publisher was told. `UNKNOWN`: it was killed, or the answer never came; the task may exist or not."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Publication:
    """One thing that was to be done, and the tasks that its publishers were told of: several at most where several
    tried, and then all the same one. `results` are what those who waited for it were given."""

    item: str
    answer: Answer
    task_ids: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Execution:
    """One beginning of a handler. `ended_at` is None when it never came to its end; times are of the machine's steady
    clock, which all of its processes read alike."""

    item: str
    task_id: str
    agent: str
    pid: int
    began_at: float
    ended_at: float | None = None


@attrs.frozen(kw_only=True)
class Heard:
    """One time that somebody was told of a run's end. `kind` is `webhook` or `reply`; `result` is the run's, as it was
    told."""

    kind: str
    notification_id: str
    task_id: str
    result: object


class _Log:
    """A file that several processes append to. A line is written at once and whole, so that a killed process leaves no
    half of one."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, *words: object) -> None:
        line = json.dumps([*words, os.getpid(), time.monotonic()], separators=(",", ":"))
        os.write(self._file, f"{line}\n".encode())
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)


class PublisherLog(_Log):
    """What a publisher writes: that it is about to publish, then what it was told."""

    def sending(self, item: str) -> None:
        """Before the call: if no answer follows, it is unknown."""
        self.write("sending", item)

    def answered(self, item: str, answer: Answer, task_id: str | None = None) -> None:
        """After the call."""
        self.write(answer, item, task_id)

    def given(self, item: str, result: object) -> None:
        """What the store gave to one who waited for the result."""
        self.write("given", item, result)


class HandlerLog(_Log):
    """What handlers write, at their beginning and at their end."""

    def begin(self, item: str, task_id: str, agent: str) -> None:
        """The first thing that the handler does."""
        self.write("begin", item, task_id, agent)

    def end(self, item: str, task_id: str, agent: str) -> None:
        """The last thing that it does."""
        self.write("end", item, task_id, agent)

    def note(self, word: str, item: str, task_id: str, agent: str) -> None:
        """Anything else worth knowing, such as a cancellation."""
        self.write(word, item, task_id, agent)

    def heard(self, kind: str, notification_id: str, told: Mapping[str, object]) -> None:
        """That somebody was told: of this TaskResult, as JSON has it."""
        self.write(f"heard {kind}", notification_id, told.get("task_id"), told.get("result"))

    def census(self, **counts: int) -> None:
        """What there is of each in this process just now."""
        self.write("census", counts)


def lines(path: Path) -> Iterator[list[object]]:
    """The lines of a log so far."""
    if path.exists():
        for line in path.read_bytes().splitlines():
            yield json.loads(line)


def publications(path: Path) -> dict[str, Publication]:
    """What the publishers were told, by item."""
    found: dict[str, Publication] = {}
    for word, item, *rest in lines(path):
        name = str(item)
        known = found.get(name, Publication(item=name, answer=Answer.UNKNOWN))
        if word == Answer.OK:
            known = attrs.evolve(known, answer=Answer.OK, task_ids=known.task_ids | {str(rest[0])})
        elif word == Answer.FAILED and known.answer is not Answer.OK:
            known = attrs.evolve(known, answer=Answer.FAILED)
        elif word == "sending" and known.answer is Answer.FAILED:
            known = attrs.evolve(known, answer=Answer.UNKNOWN)
        elif word == "given":
            known = attrs.evolve(known, results=known.results | {str(rest[0])})
        found[name] = known
    return found


def executions(path: Path) -> list[Execution]:
    """What the handlers did, in the order of their beginnings."""
    found: list[Execution] = []
    open_ones: dict[tuple[object, ...], int] = {}
    for word, *rest in lines(path):
        if word not in ("begin", "end"):
            continue
        item, task_id, agent, pid, at = rest
        if word == "begin":
            open_ones[task_id, agent, pid] = len(found)
            found.append(
                Execution(
                    item=str(item), task_id=str(task_id), agent=str(agent), pid=int(str(pid)), began_at=float(str(at))
                )
            )
        elif (number := open_ones.pop((task_id, agent, pid), None)) is not None:
            found[number] = attrs.evolve(found[number], ended_at=float(str(at)))
    return found


def noted(path: Path, word: str) -> list[tuple[str, float]]:
    """The task and the time of each line that begins with this word."""
    return [(str(row[2]), float(str(row[5]))) for row in lines(path) if row[0] == word]


def heard(path: Path) -> list[Heard]:
    """Each time that somebody was told of an end."""
    rows = ((str(row[0]).removeprefix("heard "), row) for row in lines(path) if str(row[0]).startswith("heard "))
    return [Heard(kind=kind, notification_id=str(row[1]), task_id=str(row[2]), result=row[3]) for kind, row in rows]


def census_of(path: Path, pid: int, since: float) -> dict[str, int] | None:
    """What this process said that there is of each, after that time; None when it has not yet."""
    for word, *rest in lines(path):
        if word == "census" and rest[-2] == pid and float(str(rest[-1])) > since:
            return cast("dict[str, int]", rest[0])
    return None


class Begun:
    """How often each process has begun a handler. Reads what was appended since the last look, so that looking is
    cheap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""
        self._counts: Counter[int] = Counter()

    def by_process(self) -> Mapping[int, int]:
        """By its pid."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._read)
                fresh = log.read()
            self._read += len(fresh)
            *whole, self._rest = (self._rest + fresh).split(b"\n")
            self._counts.update(int(json.loads(line)[-2]) for line in whole if line.startswith(b'["begin"'))
        return self._counts

    def total(self) -> int:
        """By all of them."""
        return sum(self.by_process().values())
