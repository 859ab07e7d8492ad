"""Acts out what a page tells a reader to do: writes its files, runs its programs and commands, compares the output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnidaemon.testing.chaos.servers import free_port
from tests.unit.docs.pages import Block, blocks

_PATIENCE_SECONDS = 60.0
_STEP = re.compile(r"^<!-- (stop|ended) -->$", re.MULTILINE)
"""Where a page has the background command stopped, or says that it has ended."""

_PLAYED = {"run", "start"}
_USUAL_PORT = "8765"


def is_played(page: Path) -> bool:
    """Whether the page has anything to run."""
    return any(block.mark in _PLAYED for block in blocks(page))


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """What a new user's shell has: no settings, a home of its own, and the commands of this environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMNIDAEMON_", "XDG_", "PYTEST_"))}
    kept.pop("EVENT_BUS_TYPE", None)
    kept.pop("RESULT_STORE_TYPE", None)
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"HOME": str(home), "PATH": path, "OMNIDAEMON_LOG_LEVEL": "INFO", **more}


def finished(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """A command that ran to its end, however it ended."""
    return subprocess.run(
        list(command),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )


class Theatre:
    """One page's folder, environment and background commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self._variables = folder / "variables"
        self._log = folder / "background.log"
        # Pages are played at once, and with other things on the usual port.
        self._port = str(free_port())
        self._environment = clean_environment(folder, OMNIDAEMON_API_PORT=self._port)
        self._background: subprocess.Popen[bytes] | None = None

    def play(self, page: Path) -> None:
        """Everything that the page says, in its order."""
        text = page.read_text(encoding="utf-8")
        ends = [(text.count("\n", 0, match.start()) + 1, match[1]) for match in _STEP.finditer(text)]
        steps: list[tuple[int, Block | str]] = [(block.line, block) for block in blocks(page)]
        for _, block in sorted([*steps, *ends], key=lambda step: step[0]):
            if isinstance(block, str):
                self.stop(by_signal=block == "stop")
            elif block.mark.startswith("file="):
                (self.folder / block.mark.removeprefix("file=")).write_text(block.text, encoding="utf-8")
            elif block.mark == "start":
                self.start(block.text.strip().removeprefix("$ "))
            elif block.mark == "run" and block.language == "python":
                self.check(["python", "-c", block.text], [])
            elif block.mark == "run":
                self._run_console(block.text)

    def _run_console(self, text: str) -> None:
        """`$ command` lines, each with the output that shall come; `…` stands for anything."""
        for part in re.split(r"^\$ ", text.replace(_USUAL_PORT, self._port), flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            # Variables live on from one command to the next, as in a terminal.
            kept = self._variables
            script = f"set -a; . {kept} 2>/dev/null; {command}\ncode=$?; export -p > {kept}; exit $code"
            self.check(["bash", "-c", script], output.splitlines(), shown=command)

    def check(self, command: list[str], expected: list[str], shown: str = "") -> None:
        """Run a command to its end, and hold its output and exit code against what was told."""
        done = finished(command, self._environment, self.folder)
        output = done.stdout + done.stderr
        scene = f"{shown or command[-1]}\n{output}\n{self.words()}"
        code = next((int(line[6:-1]) for line in expected if line.startswith("[exit ")), 0)
        assert done.returncode == code, scene
        for line in expected:
            if line and not line.startswith("[exit "):
                pattern = ".*".join(map(re.escape, line.split("…")))
                assert re.search(pattern, output, re.DOTALL), f"{line!r} is not in\n{scene}"

    def words(self) -> str:
        """What the background command has written."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self, command: str) -> None:
        """Run a command in the background, and return once it is ready."""
        assert self._background is None
        with self._log.open("wb") as log:
            self._background = subprocess.Popen(
                command.split(), cwd=self.folder, env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "ready" not in self.words():
            assert self._background.poll() is None, self.words()
            assert time.monotonic() < deadline, self.words()
            time.sleep(0.02)  # between two looks

    def stop(self, *, by_signal: bool = True) -> None:
        """Ctrl-C for what runs in the background, unless it ends by itself; it leaves in good order."""
        background, self._background = self._background, None
        if background is not None:
            if by_signal:
                background.send_signal(signal.SIGINT)
            assert background.wait(_PATIENCE_SECONDS) == 0, self.words()

    def close(self) -> None:
        """End what still runs."""
        if self._background is not None and self._background.poll() is None:
            self._background.kill()
            self._background.wait()
