"""The auditor: each way to break the promise is found, and what faults excuse is not held against anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import attrs
import pytest

from omnidaemon.testing.chaos.audit import Ending, Interruption, audit, value_of
from omnidaemon.testing.chaos.records import (
    Answer,
    Execution,
    HandlerLog,
    Publication,
    PublisherLog,
    executions,
    noted,
    publications,
)

ONE = {"a": Publication(item="a", answer=Answer.OK, task_ids=frozenset({"t1"}))}
RUN = Execution(item="a", task_id="t1", agent="audited", pid=7, began_at=1.0, ended_at=2.0)
DONE = {"t1": Ending(status="succeeded", is_end=True, result=value_of("a", 7))}


def test_what_went_well_is_clean():
    verdict = audit(ONE, [RUN], DONE)
    assert verdict.is_clean
    assert (verdict.published, verdict.executed, verdict.excess) == (1, 1, 0)


@pytest.mark.parametrize(
    "endings",
    [{}, {"t1": Ending(status="running", is_end=False)}, {"t1": Ending(status="dead", is_end=True)}],
)
def test_confirmed_and_not_ended_well_is_lost(endings):
    assert audit(ONE, [], endings).lost == ("a",)


def test_what_was_not_confirmed_may_be_missing_or_there():
    unknown = {"a": Publication(item="a", answer=Answer.UNKNOWN)}
    assert audit(unknown, [], {}).is_clean
    assert audit(unknown, [RUN], DONE).is_clean


def test_what_was_refused_must_not_run():
    refused = {"a": Publication(item="a", answer=Answer.FAILED)}
    assert audit(refused, [RUN], DONE).unexpected == ("a",)
    assert audit({}, [RUN], DONE).unexpected == ("a",)


def test_a_second_execution_needs_an_excuse():
    again = attrs.evolve(RUN, pid=8, began_at=5.0, ended_at=6.0)
    endings = {"t1": attrs.evolve(DONE["t1"], result=value_of("a", 8))}
    assert audit(ONE, [RUN, again], endings).duplicated == ("t1/audited",)
    cut = attrs.evolve(RUN, ended_at=None)
    verdict = audit(ONE, [cut, again], endings, [Interruption(pid=7, at=1.5)])
    assert verdict.is_clean
    assert (verdict.excess, verdict.cut_off, verdict.unrecorded) == (1, 1, 0)


def test_an_outcome_that_was_not_recorded_yet_is_an_excuse_for_a_while():
    again = attrs.evolve(RUN, pid=8, began_at=9.0, ended_at=10.0)
    endings = {"t1": attrs.evolve(DONE["t1"], result=value_of("a", 8))}
    soon = audit(ONE, [RUN, again], endings, [Interruption(pid=7, at=2.5)])
    assert soon.is_clean
    assert (soon.cut_off, soon.unrecorded) == (0, 1)
    assert audit(ONE, [RUN, again], endings, [Interruption(pid=7, at=8.0)]).duplicated
    assert audit(ONE, [RUN, again], endings, [Interruption(pid=99, at=1.5)]).duplicated


def test_a_stale_outcome_is_a_contradiction():
    """The value is that of a worker whose run another one had begun since."""
    again = attrs.evolve(RUN, pid=8, began_at=1.5, ended_at=3.0)
    verdict = audit(ONE, [RUN, again], DONE, [Interruption(pid=7, at=1.2)])
    assert verdict.contradicted == ("t1",)


def test_a_result_that_nobody_made_is_a_contradiction():
    assert audit(ONE, [], DONE).contradicted == ("t1",)
    crossed = {"t1": attrs.evolve(DONE["t1"], result=value_of("b", 7))}
    assert audit(ONE, [RUN], crossed).contradicted == ("t1",)


def test_one_item_is_one_task():
    two = {"a": Publication(item="a", answer=Answer.OK, task_ids=frozenset({"t1", "t2"}))}
    assert audit(two, [RUN], DONE).split == ("a",)


def test_the_id_of_anothers_task_is_a_crossed_reply():
    """Two publishers, each told of the other's task: both have ended well, and nothing else shows it."""
    told = {
        "a": Publication(item="a", answer=Answer.OK, task_ids=frozenset({"t2"})),
        "b": Publication(item="b", answer=Answer.OK, task_ids=frozenset({"t1"})),
    }
    other = attrs.evolve(RUN, item="b", task_id="t2")
    endings = {**DONE, "t2": attrs.evolve(DONE["t1"], result=value_of("b", 7))}
    verdict = audit(told, [RUN, other], endings)
    assert verdict.crossed == ("a", "b")
    assert not verdict.is_clean


@pytest.mark.parametrize("given", [value_of("b", 7), value_of("aa", 7), "a", "None"])
def test_anothers_result_is_a_crossed_reply(given):
    told = {"a": attrs.evolve(ONE["a"], results=frozenset({value_of("a", 7), given}))}
    verdict = audit(told, [RUN], DONE)
    assert verdict.crossed == ("a",)
    assert not verdict.is_clean


def test_ones_own_result_is_what_was_asked_for():
    told = {"a": attrs.evolve(ONE["a"], results=frozenset({value_of("a", 7), value_of("a", 8)}))}
    assert audit(told, [RUN], DONE).is_clean


@pytest.mark.parametrize("kind", ["lost", "duplicated", "unexpected", "contradicted", "split", "crossed"])
def test_any_single_fault_makes_a_verdict_unclean(kind):
    faults: dict[str, Any] = {kind: ("a",)}
    faulty = attrs.evolve(audit(ONE, [RUN], DONE), **faults)
    assert not faulty.is_clean
    assert faulty.faults() == f"1 {kind}: a"
    assert faulty.figures()[kind] == 1


def test_the_doomed_have_to_die():
    dead = {"t1": Ending(status="dead", is_end=True)}
    assert audit(ONE, [], dead, doomed=("a",)).is_clean
    assert audit(ONE, [RUN], DONE, doomed=("a",)).lost == ("a",)


def test_a_lossy_bus_may_lose_what_was_not_begun():
    assert audit(ONE, [], {}, is_lossy=True).is_clean
    assert audit(ONE, [RUN], {}, is_lossy=True).lost == ("a",)


# --- the logs ---------------------------------------------------------------------------------------------------------


def test_publishers_are_taken_at_their_word(tmp_path):
    log = PublisherLog(tmp_path / "log")
    for item in ("ok", "failed", "unknown", "later", "asked-again"):
        log.sending(item)
    log.answered("ok", Answer.OK, "t1")
    log.sending("ok")
    log.answered("ok", Answer.OK, "t2")
    log.answered("failed", Answer.FAILED)
    log.answered("later", Answer.FAILED)
    log.sending("later")
    log.answered("later", Answer.OK, "t3")
    log.answered("asked-again", Answer.FAILED)
    log.sending("asked-again")
    log.given("ok", "ok by 7")
    log.close()
    found = publications(tmp_path / "log")
    assert {item: each.answer.value for item, each in found.items()} == {
        "ok": "ok",
        "failed": "failed",
        "unknown": "unknown",
        "later": "ok",
        "asked-again": "unknown",
    }
    assert found["ok"].task_ids == {"t1", "t2"}
    assert found["ok"].results == {"ok by 7"}


def test_handlers_say_when_they_begin_and_end(tmp_path):
    log = HandlerLog(tmp_path / "log")
    log.begin("a", "t1", "audited")
    log.begin("b", "t2", "audited")
    log.end("a", "t1", "audited")
    log.note("cancelled", "b", "t2", "audited")
    log.close()
    first, second = executions(tmp_path / "log")
    assert (first.item, first.pid, first.ended_at is not None) == ("a", os.getpid(), True)
    assert (second.item, second.ended_at) == ("b", None)
    assert [task_id for task_id, _ in noted(tmp_path / "log", "cancelled")] == ["t2"]


def test_lines_of_several_processes_stay_whole(tmp_path):
    script = (
        "import sys, pathlib; from omnidaemon.testing.chaos.records import HandlerLog\n"
        "log = HandlerLog(pathlib.Path(sys.argv[1]))\n"
        "for number in range(300): log.begin(f'n{number}' + 'x' * 500, 't', 'a')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(executions(tmp_path / "log")) == 900
