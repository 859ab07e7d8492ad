"""What is counted before and after, and when it is too much."""

from __future__ import annotations

import asyncio
import os
import threading

from omnidaemon.testing.chaos.census import here, left_over, told
from omnidaemon.testing.chaos.records import Begun, HandlerLog, census_of
from omnidaemon.testing.chaos.scenarios.load import differences


async def test_tasks_and_threads_of_this_process_are_counted():
    before = here()
    task = asyncio.create_task(asyncio.Event().wait())
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert left_over(before, here(), {}) == [
            f"asyncio tasks: {before['asyncio tasks']} before, {before['asyncio tasks'] + 1} after",
            f"threads: {before['threads']} before, {before['threads'] + 1} after",
        ]
    finally:
        release.set()
        thread.join()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert left_over(before, here(), {}) == []


def test_left_over_is_what_is_more_than_allowed():
    before, after = {"keys": 10, "consumers": 2}, {"keys": 12, "consumers": 2, "files": 1}
    assert left_over(before, after, {}) == ["keys: 10 before, 12 after", "files: 0 before, 1 after"]
    assert left_over(before, after, {"keys": 2, "files": 1}) == []
    assert left_over(before, after, {"keys": 1}, default=1) == ["keys: 10 before, 12 after"]
    assert told(before, {"keys": 12, "rows": 0}) == "keys 10 → 12"


def test_a_process_says_what_there_is_in_it(tmp_path):
    log = HandlerLog(tmp_path / "log")
    log.census(threads=3)
    log.close()
    assert census_of(tmp_path / "log", os.getpid(), 0.0) == {"threads": 3}
    assert census_of(tmp_path / "log", os.getpid(), float("inf")) is None
    assert census_of(tmp_path / "log", os.getpid() + 1, 0.0) is None


def test_beginnings_are_counted_as_they_are_written(tmp_path):
    """Also when a look comes in the middle of a line."""
    begun = Begun(tmp_path / "log")
    assert begun.total() == 0
    log = HandlerLog(tmp_path / "log")
    log.begin("a", "t1", "audited")
    log.end("a", "t1", "audited")
    assert begun.by_process() == {os.getpid(): 1}
    log.begin("b", "t2", "audited")
    log.close()
    whole = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(whole[:-10])
    assert begun.total() == 1
    (tmp_path / "log").write_bytes(whole)
    assert begun.total() == 2
    assert begun.total() == 2


def test_a_listing_that_asks_otherwise_is_named():
    few = {"tasks": ["SELECT a: SEARCH by index", "SELECT b: SEARCH by index"], "agents": ["SELECT c"]}
    assert differences(few, {"tasks": list(reversed(few["tasks"])), "agents": ["SELECT c"]}) == []
    more = {"tasks": [*few["tasks"], "SELECT a: SEARCH by index"], "agents": ["SELECT c"]}
    assert differences(few, more) == ["tasks: 3 queries instead of 2", "  + SELECT a: SEARCH by index"]
    scanned = {"tasks": ["SELECT a: SCAN tasks", "SELECT b: SEARCH by index"], "agents": ["SELECT c"]}
    assert differences(few, scanned) == [
        "tasks: 2 queries instead of 2",
        "  + SELECT a: SCAN tasks",
        "  - SELECT a: SEARCH by index",
    ]
