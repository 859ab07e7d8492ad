"""One measurement of one contestant: publish, drain, latency, memory."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import attrs
from environments import Peer
from servers import Failed, Tallies, emptied, running

Figures = dict[str, float]

_AT_ONCE = 10_000


def surroundings(folder: Path, redis_url: str, **more: str) -> dict[str, str]:
    """The environment of the processes of one measurement, in a folder of its own."""
    return {
        "REDIS_URL": redis_url,
        "OMNIDAEMON_DATA_DIR": str(folder / "data"),
        "OMNIDAEMON_LOG_LEVEL": "ERROR",
        "BENCH_FILE": str(folder / "tasks.db"),
        "BENCH_SLOTS": "100",
        "BENCH_TALLY": str(folder / "tally"),
        **more,
    }


@attrs.frozen(kw_only=True)
class Contestant:
    """A peer under certain conditions. `backlog` tasks are published before its workers start, `count` of them drained
    while it is watched; `each` are published one by one, `each` by concurrent calls, the rest as many at once. Handlers
    take `seconds`. Without `workers` the client works itself."""

    name: str
    peer: Peer
    environment: Mapping[str, str] = attrs.field(factory=dict)
    count: int = 5000
    backlog: int = 0
    slots: int = 100
    workers: int = 1
    each: int = 1000
    latencies: int = 100
    seconds: float = 0.0
    result_bytes: int = 0

    def measure(self, folder: Path, redis_url: str) -> Figures:
        """Everything that can be told of it, in a folder of its own."""
        folder.mkdir()
        emptied(redis_url)
        own = {"BENCH_SLOTS": str(self.slots), "BENCH_RESULT_BYTES": str(self.result_bytes)}
        environment = surroundings(folder, redis_url, **own, **self.environment)
        tallies, errors = Tallies(folder / "tally"), folder / "errors"
        published = max(self.count, self.backlog)
        with ExitStack() as stack:
            client = stack.enter_context(running(self.peer, "client", environment, errors))
            done, counts, seconds = 0, Counter[str](), Counter[str]()
            for how, most in (("one by one", self.each), ("gathered", self.each), ("many", published)):
                while count := min(most - counts[how], published - done, _AT_ONCE):
                    spent = client.ask(do="publish", how=how, count=count, first=done, seconds=self.seconds)
                    seconds[how] += spent["seconds"]
                    counts[how] += count
                    done += count
            figures = {f"enqueue {how} /s": counts[how] / seconds[how] for how in seconds}
            workers = [
                stack.enter_context(running(self.peer, "worker", environment, errors)) for _ in range(self.workers)
            ]
            if not workers:
                client.ask(do="start")
                workers = [client]
            tallies.wait(self.count, workers)
            figures["drain /s"] = tallies.rate(self.slots)
            figures["worker CPU µs per task"] = tallies.cpu_seconds() * 1e6
            if self.seconds:
                figures["handlers at once"] = tallies.most_at_once()
            if self.backlog > self.count:
                return figures  # the rest is not waited for
            client.ask(do="check", count=20)
            if not tallies.is_all(self.count, len(workers)):
                raise Failed(f"{self.name} handled {tallies.handled()} of {self.count} tasks")
            if self.latencies:
                time.sleep(0.5)
                times = client.ask(do="latency", count=self.latencies)["seconds"]
                figures["idle latency p50 ms"] = statistics.median(times) * 1e3
            figures["worker RSS MB"] = sum(worker.resident_bytes() for worker in workers) / 1e6
        return figures
