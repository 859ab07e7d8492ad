"""What a worker under measurement counts, where its handlers are threads."""

from __future__ import annotations

import subprocess
import sys

from tests.unit.docs.pages import ROOT

PROGRAM = """
import threading, time
import tally

class Slow(tally.Tally):
    def __init__(self):
        time.sleep(0.2)  # while all others ask for it too
        super().__init__()

tally.Tally = Slow
threads = [threading.Thread(target=tally.handle_in_thread, args=({"number": 0},)) for _ in range(tally.EVERY)]
for thread in threads:
    thread.start()
"""


def test_threads_that_begin_at_once_are_counted_together(tmp_path):
    """Each with a tally of its own, the last line would never come, and the drain would wait for it."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, cwd=ROOT / "benchmarks", env={"BENCH_TALLY": str(tmp_path)}
    )
    (file,) = tmp_path.iterdir()
    assert len(file.read_bytes()) == 32
