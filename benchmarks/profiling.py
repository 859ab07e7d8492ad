"""`python benchmarks/profiling.py`: where a worker's CPU goes while it drains, sampled by py-spy from outside.

Of each sample the innermost function of OmniDaemon is named, since that is what can be changed; what it calls in a
library counts as its own. Samples without one are named by the library. Only the thread that holds the interpreter is
sampled.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environments import environment, peer
from page import profile_table, write_page
from run import RESULTS
from servers import Failed, Tallies, private_redis, running

_SAMPLER = ("py-spy==0.4.3",)
_NAMED = 0.9
_BACKENDS = {"Redis": "redis_stream", "SQLite": "sqlite"}


def profile(backend: str, folder: Path, redis_url: str, tasks: int, rate: int) -> dict[str, Any]:
    """The call table of one backend."""
    ours, stacks = peer("omnidaemon"), folder / "stacks"
    settings = {
        "REDIS_URL": redis_url,
        "EVENT_BUS_TYPE": _BACKENDS[backend],
        "OMNIDAEMON_DATA_DIR": str(folder / "data"),
        "OMNIDAEMON_LOG_LEVEL": "ERROR",
        "BENCH_SLOTS": "100",
        "BENCH_TALLY": str(folder / "tally"),
    }
    tallies = Tallies(folder / "tally")
    with ExitStack() as stack:
        client = stack.enter_context(running(ours, "client", settings, folder / "errors"))
        client.ask(do="publish", how="many", count=tasks)
        worker = stack.enter_context(running(ours, "worker", settings, folder / "errors"))
        tallies.wait(tasks // 10, [worker])
        sampler = str(environment("py-spy", _SAMPLER).parent / "py-spy")
        sampling = subprocess.Popen(
            [
                *(sampler, "record", "--pid", str(worker.pid), "--rate", str(rate), "--duration", "60"),
                *("--gil", "--nonblocking", "--format", "raw", "--output", str(stacks)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            tallies.wait(tasks * 9 // 10, [worker])
        finally:
            sampling.send_signal(2)
            sampling.wait(30)
    if not stacks.exists():
        raise Failed(f"{tasks} tasks were drained before the sampler had begun: take more")
    counts: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        frames, _, count = line.rpartition(" ")
        counts[_place(frames.split(";"))] += int(count)
    return _table(counts)


def _place(frames: list[str]) -> str:
    """`adapters/redis/forms.py: record_of`, or what of the outside it is."""
    for frame in reversed(frames):
        name, _, place = frame.partition(" (")
        path = place.rpartition(":")[0]
        if "omnidaemon/" in path and "benchmarks/" not in path:
            return f"{path.rpartition('omnidaemon/')[2]}: {name}"
        if path.startswith("<attrs generated"):
            return f"attrs: {path.removeprefix('<attrs generated ').rstrip('>')}"
        if "benchmarks/" in path:
            return f"the measured handler: {name}"
    path = frames[-1].partition(" (")[2].rpartition(":")[0]
    return f"outside: {path.rpartition('/')[2] or frames[-1]}"


def _table(counts: Counter[str]) -> dict[str, Any]:
    total, named = sum(counts.values()), 0
    rows: list[tuple[str, float]] = []
    for place, count in counts.most_common():
        rows.append((place, round(count / total, 4)))
        named += count
        if named >= _NAMED * total:
            break
    return {"samples": total, "named": round(named / total, 4), "rows": rows}


def main() -> None:
    """By the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--keep", action="store_true", help="write the results and docs/reference/performance.md")
    options = parser.parse_args()
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="omnidaemon-bench-") as folder, private_redis(Path(folder)) as redis_url:
        for backend in _BACKENDS:
            (place := Path(folder) / backend).mkdir()
            told[backend] = profile(backend, place, redis_url, options.tasks, options.rate)
            print(f"{backend}\n{profile_table(told[backend])}")
    if options.keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "profile.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        write_page(RESULTS)


if __name__ == "__main__":
    main()
