"""The harness of `make bench` counts right: of OmniDaemon alone, with few tasks, and never a time is judged."""

from __future__ import annotations

import json
import subprocess
import sys

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
    chosen = [word for name in names for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "run.py", "--rounds", "1", "--tasks", "500", "--brief", *chosen],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    table, _, told = done.stdout.strip().rpartition("\n")
    results = json.loads(told)
    assert results["failures"] == {}
    for name in names:
        assert name in table
        (measured,) = results["figures"][name]
        assert set(measured) == MEASURED
        assert all(figure > 0 for figure in measured.values())
    assert set(results["limits"]) == {"Redis loop of 100 /s", "SQLite loop of 100 /s"}
    assert list(tmp_path.iterdir()) == [], "nothing is left behind where it was started"
