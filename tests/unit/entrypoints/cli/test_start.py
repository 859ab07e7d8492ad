"""Ctrl-C while the command is still loading what it is made of."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
# Presses Ctrl-C as soon as a module of this name is looked for.
PROGRAM = """
import os, signal, sys

class Presser:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, {handler})  # whatever the tests were started from
sys.meta_path.insert(0, Presser())
sys.argv = ["omni", *{arguments!r}]
from omnidaemon.entrypoints.cli.start import main
main()
"""


def pressed(module, *arguments, handler="signal.default_int_handler"):
    """How the command ended."""
    program = PROGRAM.format(module=module, arguments=arguments, handler=handler)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "module",
    [
        "omnidaemon.entrypoints.cli.app",
        "cyclopts",
        "omnidaemon.entrypoints.cli.commands.config",
        "omnidaemon.bootstrap.settings",
    ],
)
def test_it_ends_quietly(module):
    """With the code of an interrupted command, and nothing said."""
    done = pressed(module, "config", "show")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_where_it_is_ignored_it_stays_so():
    """As in the background of a shell."""
    done = pressed("cyclopts", "version", handler="signal.SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_handler_that_somebody_set_is_left_alone():
    """It hears of it, also while all is loaded."""
    done = pressed("cyclopts", "version", handler="lambda *_: print('heard')")
    assert done.returncode == 0
    assert done.stdout.startswith("heard\n")


def test_the_command_begins_there():
    """And its first module loads none of the rest."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"omni": "omnidaemon.entrypoints.cli.start:main"}
    program = (
        "import sys; before = set(sys.modules); import omnidaemon.entrypoints.cli.start; "
        "print(*(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("omnidaemon")}
    assert ours == {
        "omnidaemon",
        "omnidaemon.entrypoints",
        "omnidaemon.entrypoints.cli",
        "omnidaemon.entrypoints.cli.start",
    }
    assert not {"cyclopts", "asyncio", "attrs"} & set(loaded)
