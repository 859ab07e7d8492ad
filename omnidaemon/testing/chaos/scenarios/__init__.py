"""The scenarios: what is done to a bus and a store, what has to hold, in a short form and in the full one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from omnidaemon.testing.chaos.scenarios import backends, deaths, leases, load, orders, publishers
from omnidaemon.testing.chaos.scenarios.figures import Figures

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Scenario:
    """`play` raises an AssertionError where the promise is broken, and returns what it measured. `short` are its
    arguments for a few seconds, `full` those of the whole proof."""

    play: Callable[..., Awaitable[Figures]]
    short: Mapping[str, Any] = _NOTHING
    full: Mapping[str, Any] = _NOTHING
    seeds: int = 1
    needs_server: bool = False
    two_servers: bool = False
    cables: int = 0
    file_only: bool = False

    @property
    def name(self) -> str:
        """As it is called on the command line."""
        return self.play.__name__.replace("_", "-")

    @property
    def promise(self) -> str:
        """The first sentence of what it proves."""
        return " ".join((self.play.__doc__ or "").split())


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(play=deaths.kills, short={"tasks": 150, "kills": 3, "workers": 2}, seeds=5),
        Scenario(play=deaths.poison, short={"tasks": 40}, seeds=5),
        Scenario(play=deaths.reboot, short={"runs": 30, "seconds": 1.0}),
        Scenario(play=leases.long_tasks, short={"leases": 3, "times": 1, "workers": 2, "lease": 1.0}),
        Scenario(play=leases.recovery, short={"kills": 1}),
        Scenario(play=leases.release, short={"stops": 1}),
        Scenario(play=leases.freezes, short={"rounds": 1, "workers": 2, "survivors": 1, "lease": 0.8}),
        Scenario(play=deaths.failpoint_kills, short={"every": 30}),
        Scenario(play=deaths.notification_kills, short={"calls": 1, "items": 2}),
        Scenario(play=deaths.failpoint_errors, short={"tasks": 60, "calls": (3,)}),
        Scenario(play=publishers.one_key, short={"keys": 8, "at_once": 20}),
        Scenario(play=backends.server_kills, short={"kills": 1, "workers": 1}, needs_server=True),
        Scenario(play=backends.bad_line, short={"seconds": 5.0, "workers": 1}, needs_server=True, cables=1),
        Scenario(play=backends.store_away, short={"seconds": 3.0, "tasks": 20}, needs_server=True, two_servers=True),
        Scenario(play=orders.cancellations, short={"times": 2}),
        Scenario(play=orders.time_outs),
        Scenario(play=load.backlog, short={"tasks": 20_000}),
        Scenario(play=load.stop_start, short={"times": 20}),
        Scenario(play=load.soak, short={"minutes": 0.2, "growth_mebibytes": 10.0}),
        Scenario(play=load.crowd, short={"workers": 3, "seconds": 4.0}, file_only=True),
    )
}
