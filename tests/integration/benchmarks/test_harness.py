"""The harness of `make bench` counts right: of OmniDaemon alone, with few tasks, and never a time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.unit.docs.pages import ROOT

MEASURED = {
    "enqueue one by one /s",
    "enqueue gathered /s",
    "enqueue many /s",
    "drain /s",
    "worker CPU µs per task",
    "idle latency p50 ms",
    "worker RSS MB",
}


def test_both_backends_are_measured(tmp_path):
    """Every task is handled once, every result is right (else the harness fails), and each figure is there."""
    names = ("omnidaemon", "omnidaemon, SQLite")
    results = results_of(names, 500, tmp_path)
    for name in names:
        (measured,) = results["figures"][name]
        assert set(measured) == MEASURED
    assert set(results["limits"]) == {"Redis loop of 100 /s", "SQLite loop of 100 /s"}


def test_what_is_not_a_drain_is_measured(tmp_path):
    """Each listener hears everything, every result is listed, every request is answered: else the harness fails."""
    results = results_of(SCENES, 250, tmp_path)
    for name, some in SCENES.items():
        (measured,) = results["figures"][name]
        assert some in measured


SCENES = {
    "memory, within one process": "drain /s",
    "HTTP, SQLite": "requests /s, 32 at once",
    "Server-Sent Events": "events delivered /s",
    "steady load": "publish → result p99 ms",
    "listing, SQLite": "listing s",
    "starting": "omni --help s",
}


def results_of(names: Iterable[str], tasks: int, folder: Path) -> dict[str, Any]:
    """What the harness tells of these: all of it worked, and every figure says something."""
    chosen = [word for name in names for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "run.py", "--rounds", "1", "--tasks", str(tasks), *chosen],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    table, _, told = done.stdout.strip().rpartition("\n")
    results: dict[str, Any] = json.loads(told)
    assert results["failures"] == {}
    for name in names:
        assert name in table
        # The system counts CPU in hundredths of a second.
        assert all(figure > 0 or "CPU" in what for what, figure in results["figures"][name][0].items())
    assert list(folder.iterdir()) == [], "nothing is left behind where it was started"
    return results
