"""docs/reference/performance.md, written from the results: whoever reads it reads what was measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chart import chart
from environments import HERE

PAGE = HERE.parent / "docs" / "reference" / "performance.md"
CHART = PAGE.with_name("performance.svg")

Figures = Mapping[str, float]
Rounds = Mapping[str, Sequence[Figures | None]]
"""What was measured of each in each round; None where that failed."""

Summaries = Mapping[str, Mapping[str, float]]
Medians = Mapping[str, Summaries]

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


def medians(figures: Rounds) -> Medians:
    """Of each figure its median and spread."""
    measured = {name: [one for one in rounds if one is not None] for name, rounds in figures.items()}
    return {
        name: {key: _summary([one[key] for one in rounds]) for key in rounds[0]}
        for name, rounds in measured.items()
        if rounds
    }


def _summary(values: Sequence[float]) -> Mapping[str, float]:
    median = statistics.median(values)
    return {"median": median, "spread": (max(values) - min(values)) / median if median else 0.0}


def table_of(figures: Medians) -> str:
    """All that was measured beside one another, as Markdown."""
    beside = [name for name in figures if "drain /s" in figures[name] and "enqueue one by one /s" in figures[name]]
    rows = [(name, *(_cell(figures[name].get(column)) for column in _COLUMNS)) for name in beside]
    return _table(("", *_COLUMNS), rows)


def alone_table(figures: Medians, limits: Summaries) -> str:
    """OmniDaemon under other conditions, handlers that take a second, and the limits, as Markdown."""
    columns = ("drain /s", "worker CPU µs per task", "handlers at once", "worker RSS MB")
    alone = [name for name, told in figures.items() if "drain /s" in told and "enqueue one by one /s" not in told]
    rows = [(name, *(_cell(figures[name].get(column)) for column in columns)) for name in alone]
    least = [(name, _cell(figure), "", "", "") for name, figure in limits.items()]
    return _table(("", *columns), [*rows, *least])


def scenes_table(figures: Medians) -> str:
    """What is not a drain, each figure on a line of its own, as Markdown; empty when nothing of it was measured."""
    rows = [
        (name if number == 0 else "", key, _cell(summary))
        for name, told in figures.items()
        if "drain /s" not in told
        for number, (key, summary) in enumerate(told.items())
    ]
    return _table(("", "figure", "median"), rows) if rows else ""


def profile_table(told: Mapping[str, Any]) -> str:
    """Where the CPU goes, as Markdown."""
    return _table(("share", "where"), [(f"{share:.1%}", f"`{place}`") for place, share in told["rows"]])


def write_page(results: Path) -> None:
    """Write the page, and its chart."""
    PAGE.write_text(page_of(results), encoding="utf-8")
    CHART.write_text(chart_of(results), encoding="utf-8")


def chart_of(results: Path) -> str:
    """The chart of these results."""
    figures = medians(json.loads((results / "latest.json").read_text(encoding="utf-8"))["figures"])
    return chart(figures)


def page_of(results: Path) -> str:
    """The page of these results."""
    latest = json.loads((results / "latest.json").read_text(encoding="utf-8"))
    profile = json.loads((results / "profile.json").read_text(encoding="utf-8"))
    frame = (HERE / "page.md").read_text(encoding="utf-8")
    parts = {
        "machine": _machine(latest),
        "beside": table_of(medians(latest["figures"])),
        "ratios": _table(("within this run", ""), [*_ratios(latest["figures"], latest["limits"])]),
        "alone": alone_table(medians(latest["figures"]), latest["limits"]),
        "scenes": scenes_table(medians(latest["figures"])) or "Not measured in this run.",
        "failures": "\n".join(f"- {name}: `{_last_line(error)}`" for name, error in latest["failures"].items())
        or "None.",
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
        f"The machine was shared with other work (load {told['load before']} before the run), which slows everybody "
        "and widens the spread."
        if told["load before"] > 0.5  # noqa: PLR2004 - an idle machine is well below
        else "The machine did nothing else."
    )
    return (
        f"{told['processors']} processors ({told['model']}), {told['system']}, Python {told['python']}, "
        f"{told['redis'].partition(' sha')[0]}, {told['measured at']}, {latest['rounds']} rounds in turns. {shared}"
    )


def _ratios(figures: Rounds, limits: Summaries) -> Iterable[tuple[str, str]]:
    peers = [name for name in figures if "," not in name and name != "omnidaemon" and _is_beside(figures[name])]
    for what, key, is_more_better in _RATIOS:
        known = {name: summary[key]["median"] for name, summary in medians(figures).items() if name in peers}
        best = (max if is_more_better else min)(known, key=known.__getitem__)
        yield what, f"{_ratio(figures, 'omnidaemon', key, best, key):.2f} ({best})"
    drain, cpu, memory = "drain /s", "worker CPU µs per task", "worker RSS MB"
    sqlite, one, two = "omnidaemon, SQLite", "10,000 tasks, the rest as above", "2 processes"
    deep = "10,000 of a backlog of 200,000"

    def median(name: str, key: str) -> float:
        return medians(figures)[name][key]["median"]

    yield (
        "drain ÷ raw MULTI loop of 100",
        f"{median('omnidaemon', drain) / limits['Redis loop of 100 /s']['median']:.1%}",
    )
    yield (
        "SQLite drain ÷ the SQLite loop of 100",
        f"{median(sqlite, drain) / limits['SQLite loop of 100 /s']['median']:.1%}",
    )
    yield "SQLite drain ÷ huey", f"{_ratio(figures, sqlite, drain, 'huey, SQLite', drain):.2f}"
    yield (
        "worker RSS ÷ the earlier omnidaemon's",
        f"{_ratio(figures, 'omnidaemon', memory, 'earlier_omnidaemon', memory):.2f}",
    )
    if one in figures:
        yield "drain at a depth of 200,000 ÷ of 10,000", f"{_ratio(figures, deep, drain, one, drain):.2f}"
        yield "drain with 2 processes ÷ with 1", f"{_ratio(figures, two, drain, one, drain):.2f}"
        yield "worker CPU per task with 2 processes ÷ with 1", f"{_ratio(figures, two, cpu, one, cpu):.2f}"
    if "listing" in figures:
        listing = _ratio(figures, "listing, earlier_omnidaemon", "listing s", "listing", "listing s")
        yield "listing 10,000 results ÷ the earlier omnidaemon's", f"1/{listing:.1f}"
    if "starting" in figures:
        for what in ("import omnidaemon", "from omnidaemon import OmniDaemonSDK", "omni --help"):
            ratio = _ratio(figures, "starting", f"{what} s", "starting", "import fastapi s")
            yield f"`{what}` ÷ `python -c 'import fastapi'`", f"{ratio:.2f}"


def _is_beside(rounds: Sequence[Figures | None]) -> bool:
    return any(one is not None and "enqueue one by one /s" in one for one in rounds)


def _ratio(figures: Rounds, name: str, key: str, other: str, other_key: str) -> float:
    """Of each round that has both, since a machine that others use is another one from round to round."""
    pairs = zip(figures[name], figures[other], strict=False)
    return statistics.median(a[key] / b[other_key] for a, b in pairs if a is not None and b is not None)


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


def _last_line(error: str) -> str:
    """What a traceback comes to; the rest is in the JSON."""
    return next((line for line in reversed(error.splitlines()) if line.strip()), "")
