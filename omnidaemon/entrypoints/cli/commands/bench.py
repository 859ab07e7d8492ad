"""`omni bench`: how fast bus and store are, as they are set."""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import Parameter

from omnidaemon.domain.durations import plain_number
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.views import Card, Cell

_FEWEST, _MOST = 20, 100_000
_MOST_SLOTS = 10_000
_TASKS_PER_SLOT = 10
"""When there are fewer, most of them run at once, and nothing is seen of how fast they follow one another."""
_WHOLE = 100
"""From here on nobody wants to see fractions."""

Tasks = Annotated[
    int,
    Parameter(
        help=f"How many tasks, {_FEWEST} to {_MOST:,}, and {_TASKS_PER_SLOT} for each slot or more.", show_default=True
    ),
]
Slots = Annotated[int, Parameter(help="How many run at once.", show_default=True)]


async def bench(*, tasks: Tasks = 10_000, slots: Slots = 100, as_json: Json = False) -> None:
    """Measure how fast your bus and store are, with tasks that do nothing, in a namespace of its own that is removed
    afterwards. What else this machine and that server do at the time is measured too."""
    # They bring every library with them, which `omni --help` shall not pay for.
    from omnidaemon.bootstrap.settings import load_settings
    from omnidaemon.entrypoints.benchmark import measure
    from omnidaemon.entrypoints.logs import configure_logs

    if not _FEWEST <= tasks <= _MOST:
        raise InvalidValue("--tasks", tasks, f"a number from {_FEWEST} to {_MOST:,}")
    if not 1 <= slots <= _MOST_SLOTS:
        raise InvalidValue("--slots", slots, f"a number from 1 to {_MOST_SLOTS:,}")
    if tasks < _TASKS_PER_SLOT * slots:
        expected = (
            f"{_TASKS_PER_SLOT * slots:,} or more with {slots:,} slots: with fewer there is nothing to measure "
            f"(or --slots {tasks // _TASKS_PER_SLOT} or fewer)"
        )
        raise InvalidValue("--tasks", tasks, expected)
    settings = load_settings()
    configure_logs("WARNING")
    note(f"bus {settings.event_bus_type}, store {settings.result_store_type}, {tasks:,} tasks, {slots:,} slots")
    shown = screen(as_json=as_json)
    with shown.waiting("measuring"):
        figures = await measure(settings, tasks, slots)
    told = attrs.asdict(figures)
    enough_tasks = told.pop("enough_tasks")
    if enough_tasks is not None:
        note(
            f"{tasks:,} tasks were drained too quickly to tell how fast: "
            f"give --tasks {min(enough_tasks, _MOST)} or more"
        )
    shown.show(
        {"bus": settings.event_bus_type, "store": settings.result_store_type, **told},
        Card(title="benchmark", fields=tuple((name, _cell(value)) for name, value in told.items())),
    )


def _cell(value: float | None) -> Cell:
    if value is None:
        return Cell(text="", shown="too few tasks to tell")
    return Cell(text=plain_number(value), shown=f"{value:,.0f}" if value >= _WHOLE else f"{value:.3g}")
