"""Real processes at one file: each runs a mode of `neighbour.py`, talks by lines, and dies with its test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process on the file `omni.db` in the test's folder."""
    processes: list[subprocess.Popen[str]] = []

    def start(mode: str, *arguments: object) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("neighbour.py")
        command = [sys.executable, str(script), str(tmp_path / "omni.db"), mode, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
