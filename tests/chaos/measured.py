"""What the long form has measured, kept in a file, and the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omnidaemon.testing.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.backends import PAIRS, Pair

_ROOT = Path(__file__).parents[2]
MEASURED = Path(__file__).with_name("measured.json")
PAGE = _ROOT / "docs" / "reference" / "fault-matrix.md"

_INTRODUCTION = """\
# Fault matrix

What was done to which bus and store, and what came of it. `make chaos` plays the scenarios and writes this page \
from `tests/chaos/measured.json`; a test compares the two. [How to play them](../how-to/chaos.md), also against an \
adapter of your own.

A cell says with which seeds the scenario was played, and how: *in full*, or with *other counts*, which are named \
below. **failed** stands where the promise was broken, *untested* where nobody has measured, n/a where the scenario \
does not apply: a memory bus and store live and die with one process, and SQLite has no server to kill. Redis Pub/Sub \
may lose what was not begun; there, only what was begun is counted.
"""

_ELSEWHERE = """\
## Faults that other tests inject

| fault | where |
|---|---|
| a server emptied, not fit for use, without its scripts, with its clock set | `tests/faults/redis` |
| a bus's queues gone, a long backlog moved, a silent line of Pub/Sub | `tests/faults/redis_bus` |
| a full disk | `tests/integration/sqlite/test_full_disk.py` |
| SIGTERM in the middle, a second one, a hook that hangs | `tests/integration/serving/test_signals.py` |
| every interleaving of crashes, freezes, lost replies and duplicates, up to a bound \
| `tests/contract/test_exploration.py` |
| faults planted in the program, which the scenarios have to find \
| `tests/chaos/test_planted.py`, `tests/faults/chaos` |

Untested here: a network file system, several machines whose clocks differ.
"""


def recorded() -> list[dict[str, Any]]:
    """Every measurement that is kept: the latest of each scenario, pair and seed."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else []


def record(measurement: Mapping[str, Any]) -> None:
    """Keep this one in place of an earlier one of the same scenario, pair and seed, and write the page."""
    kept = [row for row in recorded() if _key(row) != _key(measurement)]
    rows = sorted([*kept, dict(measurement)], key=_key)
    MEASURED.write_text(json.dumps(rows, indent=1) + "\n")
    write_page()


def write_page() -> None:
    """Write the page anew, of what is kept."""
    PAGE.write_text(page(recorded()), encoding="utf-8")


def _key(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return list(SCENARIOS).index(row["scenario"]), list(PAIRS).index(row["pair"]), row["seed"]


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page that shows these measurements."""
    head = ["scenario", *PAIRS]
    table = [head, ["---"] * len(head)]
    table += [
        [scenario.name, *(_cell(scenario, pair, rows) for pair in PAIRS.values())] for scenario in SCENARIOS.values()
    ]
    matrix = "\n".join(f"| {' | '.join(row)} |" for row in table)
    details = "\n".join(_details(scenario, rows) for scenario in SCENARIOS.values())
    notes = f"\n{_versions(rows)}\n" if rows else ""
    return f"{_INTRODUCTION}\n{matrix}\n{notes}\n## What was measured\n\n{details}\n{_ELSEWHERE}"


def applies(scenario: Scenario, pair: Pair) -> bool:
    """Whether the pair has what the scenario does something to."""
    if "memory" in pair.name:
        return False
    if scenario.needs_server and not pair.needs_redis:
        return False
    if scenario.two_servers and pair.store != "redis":
        return False
    return not (scenario.file_only and pair.name != "sqlite+sqlite")


def _of(scenario: Scenario, pair: Pair, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["scenario"] == scenario.name and row["pair"] == pair.name]


def _cell(scenario: Scenario, pair: Pair, rows: Sequence[Mapping[str, Any]]) -> str:
    if not applies(scenario, pair):
        return "n/a"
    found = _of(scenario, pair, rows)
    if not found:
        return "untested"
    seeds = ", ".join(str(row["seed"]) for row in found)
    form = "in full" if all(row["form"] == "full" for row in found) else "other counts"
    failed = [str(row["seed"]) for row in found if not row["passed"]]
    return f"**failed** (seed {', '.join(failed)})" if failed else f"passed, {form} (seed {seeds})"


def _details(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"### {scenario.name}\n", f"{scenario.promise}\n"]
    for row in (row for pair in PAIRS.values() for row in _of(scenario, pair, rows)):
        figures = " · ".join(f"{name} {value}" for name, value in row["figures"].items())
        counts = " ".join(f"{name}={value}" for name, value in row["arguments"].items()) or "in full"
        lines.append(f"- `{row['pair']}`, seed {row['seed']}, {counts}, {row['seconds']:.0f} s: {figures}")
    if len(lines) == 2:
        lines.append("Nothing yet.")
    return "\n".join([*lines, ""])


def _versions(rows: Sequence[Mapping[str, Any]]) -> str:
    versions = sorted({f"{name} {version}" for row in rows for name, version in row["versions"].items()})
    return (
        f"Measured with {', '.join(versions)}, all of it on one machine of two cores that had other work to do as well."
    )
