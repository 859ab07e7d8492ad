"""What is measured of OmniDaemon beside a drain: HTTP, listeners, a steady load, listings, starts.

Each has a name and a `measure` that gives figures, as a contestant has.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
from driver import payload_of
from environments import Peer
from measuring import Figures, surroundings
from servers import Failed, Process, Tallies, emptied, free_port, running

_TOPIC = "bench.tasks"
_CONNECTIONS = 32
_SHARE = 0.8
_TOLD_TASKS = 20
_STARTS = 5
_PERCENT = 100
_FIRST_LISTED = 100


@attrs.frozen(kw_only=True)
class Publishing:
    """Tasks posted one by one to an API process without agents, over connections that are kept."""

    name: str
    peer: Peer
    environment: Mapping[str, str]
    count: int

    def measure(self, folder: Path, redis_url: str) -> Figures:
        """Over one connection, then over several at once."""
        figures: Figures = {}
        with _api(self.peer, folder, redis_url, self.environment) as (api, port, stack, environment):
            http = stack.enter_context(running(self.peer, "http", environment, folder / "errors"))
            for connections in (1, _CONNECTIONS):
                before = api.cpu_seconds()
                payloads = [payload_of(number, 0.0) for number in range(self.count)]
                spent = http.ask(do="post", port=port, topic=_TOPIC, payloads=payloads, connections=connections)
                figures[f"requests /s, {connections} at once"] = self.count / spent["seconds"]
                used = (api.cpu_seconds() - before) / self.count * 1e6
                figures[f"server CPU µs per request, {connections} at once"] = used
        return figures


@attrs.frozen(kw_only=True)
class Listening:
    """So many streams of all events, of one API process, while a worker ends a few tasks."""

    name: str
    peer: Peer
    environment: Mapping[str, str]
    listeners: int

    def measure(self, folder: Path, redis_url: str) -> Figures:
        """Each listener hears everything; else it fails."""
        errors = folder / "errors"
        with _api(self.peer, folder, redis_url, self.environment) as (api, port, stack, environment):
            client = stack.enter_context(running(self.peer, "client", environment, errors))
            http = stack.enter_context(running(self.peer, "http", environment, errors))
            http.ask(do="listen", port=port, listeners=self.listeners)
            stack.enter_context(running(self.peer, "worker", environment, errors))
            client.ask(do="publish", how="many", count=_TOLD_TASKS)
            http.ask(do="hear", ends=_TOLD_TASKS)  # the worker has started by now
            before, resident = api.cpu_seconds(), api.resident_bytes()
            first = http.ask(do="hear", ends=_TOLD_TASKS)["events"]
            began = time.monotonic()
            client.ask(do="publish", how="many", count=_TOLD_TASKS, first=_TOLD_TASKS)
            heard = http.ask(do="hear", ends=2 * _TOLD_TASKS)["events"] - first
            return {
                "listeners": float(self.listeners),
                "events delivered /s": heard / (time.monotonic() - began),
                "server CPU µs per event delivered": (api.cpu_seconds() - before) / heard * 1e6,
                "server RSS MB": resident / 1e6,
            }


@attrs.frozen(kw_only=True)
class Steadily:
    """Tasks published at 80 % of the rate that client and worker reach together, for some seconds."""

    name: str
    peer: Peer
    environment: Mapping[str, str]
    count: int
    seconds: float

    def measure(self, folder: Path, redis_url: str) -> Figures:
        """First what the most is, then how long a task takes below it."""
        folder.mkdir()
        emptied(redis_url)
        environment, errors = surroundings(folder, redis_url, **self.environment), folder / "errors"
        tallies = Tallies(folder / "tally")
        with ExitStack() as stack:
            client = stack.enter_context(running(self.peer, "client", environment, errors))
            worker = stack.enter_context(running(self.peer, "worker", environment, errors))
            client.ask(do="latency", count=1)  # the worker has started by now
            began = time.monotonic()
            client.ask(do="publish", how="many", count=self.count)
            tallies.wait(self.count, [worker])
            most = self.count / (time.monotonic() - began)
            before = worker.cpu_seconds()
            told = client.ask(do="steady", rate=_SHARE * most, seconds=self.seconds)
            percentiles = statistics.quantiles(told["latencies"], n=_PERCENT)
            return {
                "published and handled at once /s": most,
                "published at 80 % /s": told["published"] / told["seconds"],
                "publish → result p50 ms": percentiles[49] * 1e3,
                "publish → result p99 ms": percentiles[98] * 1e3,
                "worker CPU µs per task": (worker.cpu_seconds() - before) / told["published"] * 1e6,
            }


@attrs.frozen(kw_only=True)
class Listing:
    """Results of so many tasks, listed."""

    name: str
    peer: Peer
    environment: Mapping[str, str]
    count: int

    def measure(self, folder: Path, redis_url: str) -> Figures:
        """They are published and drained before."""
        folder.mkdir()
        emptied(redis_url)
        environment, errors = surroundings(folder, redis_url, **self.environment), folder / "errors"
        tallies = Tallies(folder / "tally")
        with ExitStack() as stack:
            client = stack.enter_context(running(self.peer, "client", environment, errors))
            client.ask(do="publish", how="many", count=self.count)
            worker = stack.enter_context(running(self.peer, "worker", environment, errors))
            tallies.wait(self.count, [worker])
            client.ask(do="check", count=20)
            told, first = (client.ask(do="listing", count=count) for count in (self.count, _FIRST_LISTED))
            if (told["listed"], first["listed"]) != (self.count, _FIRST_LISTED):
                raise Failed(f"{self.name}: {told['listed']} of {self.count} were listed")
            return {
                "results listed": float(self.count),
                "listing s": told["seconds"],
                f"listing the newest {_FIRST_LISTED} alone, ms": first["seconds"] * 1e3,
            }


@attrs.frozen(kw_only=True)
class Starting:
    """Interpreters that start, import and end, in turns."""

    name: str
    peer: Peer
    environment: Mapping[str, str]

    def measure(self, folder: Path, redis_url: str) -> Figures:  # noqa: ARG002 - as the others have it
        """Medians of a few starts each."""
        folder.mkdir()
        python = self.peer.python
        commands = {
            "python -c pass": (python, "-c", "pass"),
            "import omnidaemon": (python, "-c", "import omnidaemon"),
            "from omnidaemon import OmniDaemonSDK": (python, "-c", "from omnidaemon import OmniDaemonSDK"),
            "omni --help": (python, "-m", "omnidaemon.entrypoints.cli", "--help"),
            "import fastapi": (python, "-c", "import fastapi"),
        }
        environment = {**os.environ, **self.environment, "PYTHONPATH": self.peer.checkout}
        spent: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_STARTS):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
                spent[name].append(time.perf_counter() - began)
        return {f"{name} s": statistics.median(times) for name, times in spent.items()}


@contextmanager
def _api(
    peer: Peer, folder: Path, redis_url: str, more: Mapping[str, str]
) -> Iterator[tuple[Process, int, ExitStack, dict[str, str]]]:
    """An API process, its port, and what else belongs to the measurement."""
    folder.mkdir()
    emptied(redis_url)
    port = free_port()
    environment = surroundings(folder, redis_url, **more)
    (folder / "tally").mkdir()
    served = {**environment, "OMNIDAEMON_API_ENABLED": "true", "OMNIDAEMON_API_PORT": str(port)}
    with ExitStack() as stack:
        api = stack.enter_context(running(peer, "api", served, folder / "errors"))
        api.wait_for_port(port)
        yield api, port, stack, environment
