"""Where an embedded backend keeps its files unless somebody says otherwise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def default_data_dir(settings_file: Path | None, environ: Mapping[str, str]) -> Path:
    """`.omnidaemon/` beside the settings file, so that a project keeps its own; without one the user's data directory.

    Nothing is created.
    """
    if settings_file is not None:
        return settings_file.parent / ".omnidaemon"
    return _user_data_dir(environ) / "omnidaemon"


def _user_data_dir(environ: Mapping[str, str]) -> Path:
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    # The XDG Base Directory Specification has relative paths ignored.
    given = Path(environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else home / ".local" / "share"
