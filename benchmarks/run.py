"""`python benchmarks/run.py` or `make bench`: OmniDaemon beside its peers, measured in turns within one run.

Every figure is the median of the rounds, with half of what lies between the smallest and the largest; a ratio is the
median of those within each round, and holds within this run alone. It stops by itself, speaks to loopback only, and
ends the processes that it started by their ids.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from environments import HERE, described, other_checkout, peer
from limits import redis_limit, sqlite_limit
from measuring import Contestant, Figures
from page import alone_table, medians, scenes_table, table_of, write_page
from scenes import Listening, Listing, Publishing, Starting, Steadily
from servers import Failed, private_redis, redis_binary

RESULTS = HERE / "results"
_ON_REDIS = ("faststream", "taskiq", "dramatiq", "saq", "arq", "celery", "earlier_omnidaemon")
_WITH_THREADS = {"dramatiq", "celery", "huey"}
"""These have no coroutines: 2,000 handlers at once would be as many threads."""
_STREAMS = {"EVENT_BUS_TYPE": "redis_stream"}
_SQLITE = {"EVENT_BUS_TYPE": "sqlite"}
_MEMORY = {"EVENT_BUS_TYPE": "memory"}

Measured = Contestant | Publishing | Listening | Steadily | Listing | Starting


def contestants(options: argparse.Namespace) -> list[Contestant]:
    """Who is measured beside one another. Only what is asked for gets its environment."""
    modules = {
        "omnidaemon": "omnidaemon",
        **{name: name for name in _ON_REDIS},
        "omnidaemon, SQLite": "omnidaemon",
        "huey, SQLite": "huey",
    }
    known = (*modules, *(one.name for one in alone(options)), *scenes(options))
    if unknown := set(options.only) - set(known):
        sys.exit(f"{', '.join(sorted(unknown))}: not one of {'; '.join(known)}")
    chosen = [
        Contestant(
            name=name,
            peer=peer(module),
            environment=_SQLITE if name.endswith("SQLite") else _STREAMS,
            count=options.tasks,
            each=options.tasks // 5,
        )
        for name, module in modules.items()
        if not options.only or name in options.only
    ]
    if options.against is not None:
        other = other_checkout(options.against)
        ours = [one for one in chosen if one.peer.module == "omnidaemon"]
        chosen += [attrs.evolve(one, name=one.name.replace("omnidaemon", other.name), peer=other) for one in ours]
    return chosen


def alone(options: argparse.Namespace) -> list[Contestant]:
    """OmniDaemon under other conditions."""
    count = 2 * options.tasks
    plain = Contestant(name="", peer=peer("omnidaemon"), environment=_STREAMS, count=count, each=0, latencies=0)
    return [
        attrs.evolve(plain, name="10,000 tasks, the rest as above"),
        attrs.evolve(plain, name="10,000 of a backlog of 200,000", backlog=20 * count),
        attrs.evolve(plain, name="2 processes", workers=2),
        attrs.evolve(plain, name="results of 1 kB", result_bytes=1_000),
        attrs.evolve(plain, name="results of 10 kB", result_bytes=10_000),
        attrs.evolve(plain, name="SQLite, 2 processes", workers=2, environment=_SQLITE),
        attrs.evolve(plain, name="SQLite, 10,000 of a backlog of 200,000", backlog=20 * count, environment=_SQLITE),
        attrs.evolve(plain, name="memory, within one process", workers=0, environment=_MEMORY),
    ]


def scenes(options: argparse.Namespace) -> dict[str, Callable[[], Measured]]:
    """What is not a drain, by name. The earlier project lists too, for comparison. Only what is asked for is made."""
    tasks = options.tasks
    made = {
        "HTTP": (Publishing, _STREAMS, {"count": tasks // 5}),
        "HTTP, SQLite": (Publishing, _SQLITE, {"count": tasks // 5}),
        "Server-Sent Events": (Listening, _STREAMS, {"listeners": tasks // 5}),
        "steady load": (Steadily, _STREAMS, {"count": 2 * tasks, "seconds": tasks / 1000}),
        "steady load, SQLite": (Steadily, _SQLITE, {"count": 2 * tasks, "seconds": tasks / 1000}),
        "listing": (Listing, _STREAMS, {"count": 2 * tasks}),
        "listing, SQLite": (Listing, _SQLITE, {"count": 2 * tasks}),
        "listing, earlier_omnidaemon": (Listing, {}, {"count": 2 * tasks}),
        "starting": (Starting, {}, {}),
    }

    def maker(name: str) -> Callable[[], Measured]:
        kind, environment, more = made[name]
        module = "earlier_omnidaemon" if name.endswith("earlier_omnidaemon") else "omnidaemon"
        return lambda: kind(name=name, peer=peer(module), environment=environment, **more)

    return {name: maker(name) for name in made}


def crowd(fastest: Iterable[Contestant]) -> list[Contestant]:
    """2,000 handlers at once, each of which takes a second: 2,000 tasks a second at best."""
    return [
        attrs.evolve(each, name=f"{each.name}, 2,000 slots", count=8000, slots=2000, seconds=1.0, each=0, latencies=0)
        for each in fastest
    ]


class Run:
    """What was measured so far."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._measured = 0
        self.figures: dict[str, list[Figures | None]] = defaultdict(list)
        self.limits: list[Figures] = []
        self.failures: dict[str, str] = {}

    def measure(self, one: Measured) -> None:
        """Once more; one that fails is told of, and the others go on."""
        self._measured += 1
        try:
            figures = one.measure(self._folder / f"measured-{self._measured}", self._redis_url)
        except Failed as error:
            self.figures[one.name].append(None)
            self.failures[one.name] = str(error)
            print(f"  {one.name} FAILED: {error}", file=sys.stderr)
        else:
            self.figures[one.name].append(figures)
            print(
                f"  {one.name}: {', '.join(f'{key} {value:,.4g}' for key, value in figures.items())}", file=sys.stderr
            )

    def measure_limits(self, count: int) -> None:
        """The raw loops."""
        port = int(self._redis_url.rsplit(":", 1)[1].split("/")[0])
        folder = self._folder / f"limit-{len(self.limits)}"
        folder.mkdir()
        rates = {"Redis loop of 100 /s": redis_limit(port, count), "SQLite loop of 100 /s": sqlite_limit(folder, count)}
        self.limits.append(rates)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    names = {line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    return {
        "processors": os.cpu_count(),
        "model": ", ".join(sorted(names)) or platform.processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis": subprocess.run(
            [redis_binary(), "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "load before": round(os.getloadavg()[0], 2),
        "measured at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _lines(path: str) -> list[str]:
    found = Path(path)
    return found.read_text(encoding="utf-8").splitlines() if found.exists() else []


def measured(run: Run, options: argparse.Namespace) -> None:
    """All rounds, in turns."""
    wanted = contestants(options)
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        run.measure_limits(options.tasks)
        for one in wanted:
            run.measure(one)
    rates = {
        name: figures["drain /s"]["median"] for name, figures in medians(run.figures).items() if "drain /s" in figures
    }
    rivals = [one for one in wanted if one.name in rates and one.peer.module not in {"omnidaemon", *_WITH_THREADS}]
    fastest = sorted(rivals, key=lambda one: rates[one.name], reverse=True)[:2]
    others = [one for one in alone(options) if one.name in options.only or not options.only]
    others += [make() for name, make in scenes(options).items() if name in options.only or not options.only]
    rest: list[Measured] = [] if options.only or options.brief else [*crowd([wanted[0], *fastest])]
    rest += others if options.only or not options.brief else []
    for _ in range(options.rounds):
        for one in rest:
            run.measure(one)


def main() -> None:
    """By the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=5000, help="how many are drained, a multiple of 250")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one, of peers or the rest; may be repeated",
    )
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="another checkout of OmniDaemon, beside this one"
    )
    parser.add_argument("--brief", action="store_true", help="peers and SQLite only, or what `--only` names")
    parser.add_argument("--keep", action="store_true", help="write the results and docs/reference/performance.md")
    options = parser.parse_args()
    if options.tasks % 250 or options.tasks <= 0:
        parser.error("--tasks: a multiple of 250, since workers tell of fifty tasks at a time")
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    told: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="omnidaemon-bench-") as folder, private_redis(Path(folder)) as redis_url:
        run = Run(Path(folder), redis_url)
        measured(run, options)
    told |= {
        "rounds": options.rounds,
        "setups": {name: _setup(name) for name in ("omnidaemon", *_ON_REDIS, "huey")},
        "figures": run.figures,
        "limits": medians({"": run.limits})[""],
        "failures": run.failures,
    }
    known = medians(run.figures)
    print("\n\n".join((table_of(known), alone_table(known, told["limits"]), scenes_table(known))))
    if options.keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_page(RESULTS)
    else:
        print(json.dumps(told, ensure_ascii=False))


def _setup(name: str) -> dict[str, Any]:
    requirements, why = described(name)
    return {"requirements": requirements, "why": why}


if __name__ == "__main__":
    main()
