"""docs/reference/performance.md, written from the results: whoever reads it reads what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from environments import HERE

PAGE = HERE.parent / "docs" / "reference" / "performance.md"

Medians = Mapping[str, Mapping[str, Mapping[str, float]]]

_NO_DECIMALS_FROM = 100
_COLUMNS = (
    "enqueue one by one /s",
    "enqueue gathered /s",
    "enqueue many /s",
    "drain /s",
    "worker CPU µs per task",
    "idle latency p50 ms",
    "worker RSS MB",
)
_RATIOS = (
    ("drain, Redis ÷ the fastest peer", "drain /s", True),
    ("worker CPU per task ÷ the best peer", "worker CPU µs per task", False),
    ("enqueue one by one ÷ the best peer", "enqueue one by one /s", True),
    ("enqueue gathered ÷ the best peer", "enqueue gathered /s", True),
    ("enqueue many ÷ the best peer", "enqueue many /s", True),
    ("idle publish → result p50 ÷ the best peer", "idle latency p50 ms", False),
)


def table_of(figures: Medians) -> str:
    """All that was measured beside one another, as Markdown."""
    beside = [name for name in figures if "drain /s" in figures[name] and "enqueue one by one /s" in figures[name]]
    rows = [(name, *(_cell(figures[name].get(column)) for column in _COLUMNS)) for name in beside]
    return _table(("", *_COLUMNS), rows)


def profile_table(told: Mapping[str, Any]) -> str:
    """Where the CPU goes, as Markdown."""
    return _table(("share", "where"), [(f"{share:.1%}", f"`{place}`") for place, share in told["rows"]])


def write_page(results: Path) -> None:
    """Write the page."""
    PAGE.write_text(page_of(results), encoding="utf-8")


def page_of(results: Path) -> str:
    """The page of these results."""
    latest = json.loads((results / "latest.json").read_text(encoding="utf-8"))
    profile = json.loads((results / "profile.json").read_text(encoding="utf-8"))
    frame = (HERE / "page.md").read_text(encoding="utf-8")
    parts = {
        "machine": _machine(latest),
        "beside": table_of(latest["figures"]),
        "ratios": _table(("within this run", ""), [*_ratios(latest["figures"])]),
        "alone": _alone(latest["figures"]),
        "setups": "\n".join(_setup(name, setup) for name, setup in latest["setups"].items()),
        **{f"profile of {backend}": profile_table(told) for backend, told in profile.items()},
        "named": ", ".join(f"{told['named']:.0%} on {backend}" for backend, told in profile.items()),
    }
    for name, text in parts.items():
        frame = frame.replace(f"<!-- {name} -->", text)
    return frame


def _machine(latest: Mapping[str, Any]) -> str:
    told = latest["machine"]
    shared = (
        f"The machine was shared with other work (load {told['load before']} before the run), which slows everybody and "
        "widens the spread."
        if told["load before"] > 0.5  # noqa: PLR2004 - an idle machine is well below
        else "The machine did nothing else."
    )
    return (
        f"{told['processors']} processors ({told['model']}), {told['system']}, Python {told['python']}, "
        f"{told['redis'].partition(' sha')[0]}, {told['measured at'][:10]}, {latest['rounds']} rounds in turns. {shared}"
    )


def _ratios(figures: Medians) -> Iterable[tuple[str, str]]:
    ours = figures["omnidaemon"]
    peers = {n: f for n, f in figures.items() if "," not in n and not n.startswith("omnidaemon") and "drain /s" in f}
    for what, key, is_more_better in _RATIOS:
        known = {name: figure[key]["median"] for name, figure in peers.items() if key in figure}
        best = (max if is_more_better else min)(known, key=known.__getitem__)
        yield what, f"{ours[key]['median'] / known[best]:.2f} ({best})"
    limit = figures["limit"]
    yield "drain ÷ raw MULTI loop of 100", f"{_over(ours, 'drain /s', limit, 'Redis loop of 100 /s'):.1%}"
    sqlite, huey = figures["omnidaemon, SQLite"], figures["huey, SQLite"]
    yield "SQLite drain ÷ the SQLite loop of 100", f"{_over(sqlite, 'drain /s', limit, 'SQLite loop of 100 /s'):.1%}"
    yield "SQLite drain ÷ huey", f"{_over(sqlite, 'drain /s', huey, 'drain /s'):.2f}"
    earlier = figures["earlier_omnidaemon"]
    yield "worker RSS ÷ the earlier omnidaemon's", f"{_over(ours, 'worker RSS MB', earlier, 'worker RSS MB'):.2f}"
    one = figures.get("10,000 tasks, the rest as above", {})
    for name, what in (
        ("10,000 of a backlog of 200,000", "drain at a depth of 200,000 ÷ of 10,000"),
        ("2 processes", "drain with 2 processes ÷ with 1"),
    ):
        if one and name in figures:
            yield what, f"{_over(figures[name], 'drain /s', one, 'drain /s'):.2f}"
    if one and "2 processes" in figures:
        cpu = "worker CPU µs per task"
        yield "worker CPU per task with 2 processes ÷ with 1", f"{_over(figures['2 processes'], cpu, one, cpu):.2f}"


def _over(a: Mapping[str, Mapping[str, float]], key: str, b: Mapping[str, Mapping[str, float]], other: str) -> float:
    return a[key]["median"] / b[other]["median"]


def _alone(figures: Medians) -> str:
    columns = ("drain /s", "worker CPU µs per task", "handlers at once", "worker RSS MB")
    beside = [name for name in figures if "enqueue one by one /s" not in figures[name] and name != "limit"]
    rows = [(name, *(_cell(figures[name].get(column)) for column in columns)) for name in beside]
    limits = [(name, _cell(figure), "", "", "") for name, figure in figures["limit"].items()]
    return _table(("", *columns), [*rows, *limits])


def _setup(name: str, setup: Mapping[str, Any]) -> str:
    pins = f" (`{' '.join(setup['requirements'])}`)" if setup["requirements"] else ""
    return f"- **{name}**{pins}: {setup['why']}"


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    median, spread = figure["median"], figure["spread"] / 2
    return f"{median:,.0f} ± {spread:.0%}" if median >= _NO_DECIMALS_FROM else f"{median:.2f} ± {spread:.0%}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
