"""An agent that fails: its retries, its dead letter, and another beginning."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.servers.workshop import Workshop

SCHEDULE_SECONDS = (0.3, 0.6)


def test_retries_a_dead_letter_and_a_requeue(workshop: Workshop) -> None:
    """Tried again on its policy's schedule, then dead with each attempt's error; requeued, it runs again."""
    workshop.start_worker()
    file = workshop.folder / "mended"
    dead = workshop.omni("task", "publish", "fail", json.dumps(str(file)), "--wait", "--json")
    assert dead.returncode == 1, dead.stderr
    task_id = json.loads(dead.stdout)["task_id"]
    began = [float(row[5]) for row in workshop.lines("try")]
    pauses = [later - earlier for earlier, later in pairwise(began)]
    assert pauses == [pytest.approx(seconds, abs=5) for seconds in SCHEDULE_SECONDS]
    assert all(pause >= seconds for pause, seconds in zip(pauses, SCHEDULE_SECONDS, strict=True))

    shown = json.loads(workshop.omni("dlq", "show", "fail", task_id, "--json").stdout)
    assert [(error["attempt"], error["type"]) for error in shown["errors"]] == [
        (attempt, "FileNotFoundError") for attempt in (1, 2, 3)
    ]
    assert all("raise FileNotFoundError" in error["traceback"] for error in shown["errors"])

    file.touch()
    assert workshop.omni("dlq", "requeue", "fail", task_id).returncode == 0
    mended = workshop.omni("task", "result", task_id, "--wait", "--json")
    assert json.loads(mended.stdout)["result"] == "mended"
    assert len(workshop.lines("try")) == 4
