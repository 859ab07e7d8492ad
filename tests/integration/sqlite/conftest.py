"""Real processes at one file: each runs a mode of a script beside this one, talks by lines, and dies with its test."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `neighbour.py` in one of its modes."""
    with starting("neighbour.py", tmp_path) as start:
        yield start


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Start]:
    """Start `fleet.py` in one of its modes."""
    with starting("fleet.py", tmp_path) as start:
        yield start


@contextlib.contextmanager
def starting(name: str, folder: Path) -> Iterator[Start]:
    """What starts processes of this script, on the file `omni.db` in the folder; they die with the context."""
    processes: list[subprocess.Popen[str]] = []
    script = Path(__file__).with_name(name)

    def start(mode: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(folder / "omni.db"), mode, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        processes.append(process)
        return process

    try:
        yield start
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
