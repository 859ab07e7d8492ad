"""`omni --install-completion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.views import Lines

_Shell = Annotated[
    Literal["bash", "zsh", "fish", "powershell"] | None, Parameter(help="Which one, where it cannot be found out.")
]
_Output = Annotated[Path | None, Parameter(help="A file other than the one where the shell looks for it.")]


def install_completion(*, shell: _Shell = None, output: _Output = None) -> None:
    """Install completion for this shell, and have its start-up file load it where that is needed."""
    from omnidaemon.entrypoints.cli.app import build_app

    path = build_app().install_completion(shell=shell, output=output)
    screen(as_json=False).show(str(path), Lines.of(f"wrote {path}; it works in every new shell"))
