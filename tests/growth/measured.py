"""What was counted, as it is kept and as docs/reference/growth.md shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.growth.counting import Cost

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "growth.md"
_FRAME: Final = Path(__file__).with_name("page.md")
_WORTH_A_LINE: Final = 0.1
_MEASURED: Final = Path(__file__).with_name("measured.json")


def keep(told: Mapping[str, Any]) -> None:
    """Keep it, and write the page."""
    _MEASURED.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(told), encoding="utf-8")


def recorded() -> Mapping[str, Any]:
    """What was kept."""
    told: Mapping[str, Any] = json.loads(_MEASURED.read_text(encoding="utf-8"))
    return told


def cells(costs: Mapping[str, Sequence[Cost]]) -> dict[str, list[list[int]]]:
    """Costs as they are kept: calls and work, for each size."""
    return {name: [[cost.calls, cost.work] for cost in each] for name, each in costs.items()}


def page(told: Mapping[str, Any]) -> str:
    """The page of these measurements."""
    parts = {
        "tasks": _costs(told["tasks"], "tasks"),
        "agents": _costs(told["agents"], "agents"),
        "pruning": _table(("", "tasks removed", "calls", "calls for each task"), _pruned(told["pruning"])),
        "idle": _table(("commands a second", "one worker", "200 workers"), _idle(told["idle"])),
    }
    text = _FRAME.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text


def _costs(told: Mapping[str, Any], what: str) -> str:
    tables: list[str] = []
    for store, measured in told.items():
        columns = [f"{size:,} {what}: calls, {measured['work']}" for size in measured["sizes"]]
        rows = [(name, *(f"{calls:,}, {work:,}" for calls, work in costs)) for name, costs in measured["costs"].items()]
        tables.append(_table((f"on {store}", *columns), rows))
    return "\n\n".join(tables)


def _pruned(told: Mapping[str, Mapping[str, Sequence[int]]]) -> list[tuple[str, ...]]:
    return [
        (f"{store}, {size} tasks stored", f"{removed:,}", f"{calls:,}", f"{calls / removed:.1f}")
        for store, sizes in told.items()
        for size, (removed, calls) in sizes.items()
    ]


def _idle(told: Mapping[str, float]) -> list[tuple[str, ...]]:
    return [(name, f"{rate:.1f}", f"{200 * rate:,.0f}") for name, rate in told.items() if rate >= _WORTH_A_LINE]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
