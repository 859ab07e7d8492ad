"""`omni run`: the agents of a file or module, in this process or in several."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import AgentFileError, InvalidValue
from omnidaemon.entrypoints.cli.banner import print_banner

_MOST_PROCESSES = 1024

Target = Annotated[str, Parameter(help="A file such as agents.py, or a module: package.module, package.module:sdk.")]
_Processes = Annotated[int, Parameter(help="How many worker processes share the work.", show_default=True)]
_Lifeline = Annotated[int | None, Parameter(show=False)]


def run(target: Target, /, *, processes: _Processes = 1, lifeline: _Lifeline = None) -> int:
    """Run the agents of a file or module until SIGTERM or Ctrl-C: the first drains, a second one stops at once."""
    if not 1 <= processes <= _MOST_PROCESSES:
        raise InvalidValue("--processes", processes, f"1 to {_MOST_PROCESSES}")
    if lifeline is not None:
        return _serve(target, lifeline)
    print_banner(sys.stderr)
    if processes == 1:
        return _serve(target, None)
    from omnidaemon.entrypoints.cli.processes import Child  # noqa: PLC0415 - for several processes alone
    from omnidaemon.entrypoints.cli.supervisor import Supervisor  # noqa: PLC0415

    return Supervisor(processes, partial(Child, target)).run()


def _serve(target: str, lifeline: int | None) -> int:
    from omnidaemon.entrypoints.loading import load_sdks  # noqa: PLC0415 - the SDK and all that it stands on
    from omnidaemon.entrypoints.serving import run_sdks  # noqa: PLC0415

    if lifeline is None:
        run_sdks(load_sdks(target))
        return 0
    from omnidaemon.entrypoints.cli.processes import Lifeline  # noqa: PLC0415 - for a supervised process alone

    line = Lifeline(lifeline)
    run_sdks(load_sdks(target), on_ready=line.say_ready, on_drained=line.say_drained)
    return 0


def source_folder(target: str) -> Path:
    """The folder whose code the target is. `AgentFileError` when there is no such file."""
    name = target.partition(":")[0]
    if not name.endswith(".py"):
        return Path.cwd()
    path = Path(name).resolve()
    if not path.is_file():
        raise AgentFileError(str(path), "there is no such file")
    return path.parent
