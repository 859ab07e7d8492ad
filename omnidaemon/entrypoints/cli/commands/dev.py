"""`omni dev`: the agents of a file or module, started anew when their code changes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from watchfiles import PythonFilter, watch

from omnidaemon.entrypoints.cli.banner import print_banner
from omnidaemon.entrypoints.cli.commands.run import Api, ApiHost, ApiPort, Target, serve_options, source_folder
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.processes import Child, describe
from omnidaemon.entrypoints.cli.screen import note

_LOOK_MILLISECONDS = 250


def dev(target: Target, /, *, api: Api = None, api_host: ApiHost = None, api_port: ApiPort = None) -> int:
    """Run agents, and when their code changes drain the process and start it anew. A mistake in the code is shown, and
    the next change waited for."""
    folder = source_folder(target)
    options = serve_options(api, api_host, api_port)
    print_banner(sys.stderr)
    # By SIGTERM it is told that the code has changed, which has been said then, and not that a second one ends it.
    return _Reloading(target, folder, [*options.arguments(), "--unsaid", "SIGTERM"]).run()


class _Reloading:
    """The process that watches the code. Signals go on to the process that runs it."""

    def __init__(self, target: str, folder: Path, options: Sequence[str]) -> None:
        self._target = target
        self._options = options
        self._folder = folder
        self._stopping = threading.Event()
        self._child = Child(target, options, is_changing=True)

    def run(self) -> int:
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        note(f"watching {self._folder}")
        try:
            for changed in self._changes():
                note(f"changed: {', '.join(changed)}")
                self._end()
                if self._stopping.is_set():
                    break
                self._child = Child(self._target, self._options, is_changing=True)
        finally:
            if self._child.ended() is None and not self._stopping.is_set():
                self._child.send(signal.SIGTERM)
            self._wait()
            for number, handler in before.items():
                signal.signal(number, handler)
        return ExitCode.DONE

    def _changes(self) -> Iterator[list[str]]:
        """The names of changed files, each time that there are some; meanwhile an end of the child is told."""
        told: Child | None = None
        for changes in watch(
            self._folder,
            watch_filter=PythonFilter(extra_extensions=(".toml", ".env")),
            stop_event=self._stopping,
            rust_timeout=_LOOK_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if changes:
                yield sorted({Path(path).name for _, path in changes})
            elif (code := self._child.ended()) is not None and told is not self._child:
                told = self._child
                note(f"it ended {describe(code)}; waiting for the next change")

    def _end(self) -> None:
        """Drain the child; its code goes on as it was until it has ended."""
        if self._child.ended() is None:
            self._child.send(signal.SIGTERM)
        self._wait()

    def _wait(self) -> None:
        self._child.wait()
        self._child.close()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._stopping.set()
        self._child.send(signal.Signals(number))
