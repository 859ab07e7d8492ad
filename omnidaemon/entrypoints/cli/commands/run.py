"""`omni run`: the agents of a file or module, in this process or in several."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import AgentFileError, InvalidValue
from omnidaemon.entrypoints.cli.banner import print_banner
from omnidaemon.entrypoints.cli.screen import note
from omnidaemon.entrypoints.open_files import allow_all_open_files

if TYPE_CHECKING:
    from omnidaemon.entrypoints.cli.processes import Child
    from omnidaemon.entrypoints.http.serve_options import ServeOptions

_MOST_PROCESSES = 1024

Target = Annotated[str, Parameter(help="A file such as agents.py, or a module: package.module, package.module:sdk.")]
_Processes = Annotated[int, Parameter(help="How many worker processes share the work.", show_default=True)]
Api = Annotated[
    bool | None,
    Parameter(
        name="--api", negative="--no-api", help="Serve the HTTP API; it is, unless OMNIDAEMON_API_ENABLED is false."
    ),
]
ApiHost = Annotated[str | None, Parameter(help="Where it listens; OMNIDAEMON_API_HOST, or 127.0.0.1, unless given.")]
ApiPort = Annotated[
    int | None, Parameter(help="Its port, 0 for any that is free; OMNIDAEMON_API_PORT, or 8765, unless given.")
]
_Lifeline = Annotated[int | None, Parameter(show=False)]
_Unsaid = Annotated[tuple[str, ...], Parameter(show=False)]


def run(
    target: Target,
    /,
    *,
    processes: _Processes = 1,
    api: Api = None,
    api_host: ApiHost = None,
    api_port: ApiPort = None,
    lifeline: _Lifeline = None,
    unsaid: _Unsaid = (),
) -> int:
    """Run the agents of a file or module until SIGTERM or Ctrl-C: the first drains, a second one stops at once.

    A bus or a store that is away is waited for.
    """
    if not 1 <= processes <= _MOST_PROCESSES:
        raise InvalidValue("--processes", processes, f"1 to {_MOST_PROCESSES}")
    options = serve_options(api, api_host, api_port)
    allow_all_open_files()
    if lifeline is not None:
        return _serve(target, options, lifeline, unsaid)
    print_banner(sys.stderr)
    return _serve(target, options, None) if processes == 1 else _supervise(target, options, processes)


def serve_options(api: bool | None, host: str | None, port: int | None) -> ServeOptions:  # noqa: FBT001 - an option
    """What the options say of the API."""
    from omnidaemon.bootstrap.setting_kinds import HOST, PORT
    from omnidaemon.entrypoints.http.serve_options import ServeOptions

    if host is not None:
        HOST.read("--api-host", host, "arguments")
    if port is not None:
        PORT.read("--api-port", port, "arguments")
    return ServeOptions(is_default=True, is_served=api, host=host, port=port)


def _serve(target: str, options: ServeOptions, lifeline: int | None, unsaid: Collection[str] = ()) -> int:
    from omnidaemon.entrypoints.loading import load_sdks
    from omnidaemon.entrypoints.serving import run_sdks

    sdks = load_sdks(target)
    if "agents" not in unsaid and len(sdks) > 1:
        note(f"{target} has {len(sdks)} SDK objects with agents: all of them are run; omni run {target}:NAME runs one")
    if lifeline is None:
        run_sdks(sdks, api=options)
        return 0
    from omnidaemon.entrypoints.cli.processes import Lifeline

    line = Lifeline(lifeline)
    run_sdks(sdks, on_ready=line.say_ready, on_drained=line.say_drained, api=options, unsaid=unsaid)
    return 0


def _supervise(target: str, options: ServeOptions, processes: int) -> int:
    """The supervisor alone serves the API, by the settings of files and the environment."""
    from omnidaemon.bootstrap.settings import load_settings
    from omnidaemon.entrypoints.cli.supervisor import Supervisor
    from omnidaemon.entrypoints.logs import configure_logs

    settings = load_settings()
    configure_logs(settings.log_level)
    supervisor = Supervisor(processes, partial(_child, target, count()))
    listener = options.opened(settings)
    if listener is None:
        return supervisor.run()
    from omnidaemon.entrypoints.http.background import served_in_background
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

    # Without its API it would look alive to nobody: it ends as if it were told to, and then with the error.
    end = partial(os.kill, os.getpid(), signal.SIGTERM)
    with served_in_background(OmniDaemonSDK(settings=settings), listener, on_failure=end):
        return supervisor.run()


def _child(target: str, started_before: Iterator[int]) -> Child:
    """The first one alone says which agents there are."""
    from omnidaemon.entrypoints.cli.processes import Child

    return Child(target, ["--no-api", *(["--unsaid", "agents"] if next(started_before) else [])])


def source_folder(target: str) -> Path:
    """The folder whose code the target is. `AgentFileError` when there is no such file."""
    name = target.partition(":")[0]
    if not name.endswith(".py"):
        return Path.cwd()
    path = Path(name).resolve()
    if not path.is_file():
        raise AgentFileError(str(path), "there is no such file")
    return path.parent
