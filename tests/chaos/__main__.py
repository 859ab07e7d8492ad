"""The long form: `python -m tests.chaos --seeds 1 2 --scenarios kills --pairs sqlite+sqlite`, or `make chaos`."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apsw

from omnidaemon.testing.chaos.scenarios import SCENARIOS, Scenario
from omnidaemon.testing.chaos.servers import redis_version
from omnidaemon.testing.chaos.stage import Backend, Stage
from tests.chaos.backends import PAIRS, Pair, backend
from tests.chaos.measured import PAGE, applies, record, write_page


async def measured(scenario: Scenario, pair: Pair, seed: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """Play it, and say what came of it."""
    began = time.monotonic()
    figures: dict[str, Any] = {}
    versions: dict[str, str] = {}
    failure = ""
    with tempfile.TemporaryDirectory(prefix="omnidaemon-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            async with (
                backend(
                    pair, folder, two_servers=scenario.two_servers, cables=scenario.cables, seed=seed
                ) as what_there_is,
                Stage(what_there_is, folder) as stage,
            ):
                versions = _versions(pair, what_there_is)
                figures = await scenario.play(stage, seed, **{**scenario.full, **arguments})
        except Exception as error:  # noqa: BLE001 - told in the matrix, and the next one is played
            traceback.print_exc()
            failure = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return {
        "scenario": scenario.name,
        "pair": pair.name,
        "seed": seed,
        "form": "other" if arguments else "full",
        "arguments": arguments,
        "passed": not failure,
        "figures": {"failure": failure} if failure else figures,
        "seconds": round(time.monotonic() - began, 1),
        "versions": versions,
    }


def _versions(pair: Pair, what_there_is: Backend) -> dict[str, str]:
    versions = {"OmniDaemon": version("omnidaemon"), "Python": platform.python_version()}
    if "sqlite" in pair.name:
        versions["SQLite"] = apsw.sqlite_lib_version()
    if what_there_is.server is not None:
        name, number = redis_version(what_there_is.server.url).split()
        versions[name] = number
    return versions


def main() -> int:
    """How many failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", help="by default as many as the scenario wants")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=NUMBER", help="a reduced or a larger count")
    parser.add_argument("--page-only", action="store_true", help="play nothing, and write the page of what is kept")
    asked = parser.parse_args()
    if asked.page_only:
        write_page()
        return 0
    arguments = {
        name: float(value) if "." in value else int(value) for name, _, value in (s.partition("=") for s in asked.set)
    }
    failures = 0
    for scenario in (SCENARIOS[name] for name in asked.scenarios):
        for pair in (PAIRS[name] for name in asked.pairs if applies(scenario, PAIRS[name])):
            for seed in asked.seeds or range(1, scenario.seeds + 1):
                done = asyncio.run(measured(scenario, pair, seed, arguments))
                failures += not done["passed"]
                record(done)
                sys.stdout.write(f"{scenario.name} {pair.name} seed {seed}: {done['figures']} ({done['seconds']} s)\n")
                sys.stdout.flush()
    sys.stdout.write(f"{PAGE} is written; {failures} failed\n")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
