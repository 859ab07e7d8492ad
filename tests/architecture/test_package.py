"""What holds for the package as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import omnidaemon
from omnidaemon import api, errors
from omnidaemon.domain import errors as domain_errors

_PACKAGE = Path(omnidaemon.__file__).parent
_TESTS = Path(__file__).parents[1]
_LONGEST_FILE = 320
_LONGEST_TEST_FILE = 400
_LONGEST_LINE = 120

_IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
import pytest, asyncio, multiprocessing, concurrent.futures.thread, uuid   # what others do at import is not our matter
watched = ("socket.", "os.mkdir", "_thread.start_new_thread", "subprocess.Popen", "os.fork", "os.exec", "os.system")
seen = []

def hook(event, args):
    if event.startswith(watched):
        seen.append(event)
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and ".pyc" not in str(args[0]):
        seen.append(f"open {args[0]} {args[1]}")

import omnidaemon
names = [m.name for m in pkgutil.walk_packages(omnidaemon.__path__, "omnidaemon.") if not m.name.endswith("__main__")]
sys.addaudithook(hook)
for name in names:
    importlib.import_module(name)
print(json.dumps({"names": names, "seen": seen}))
"""


def test_importing_does_no_work(tmp_path: Path) -> None:
    """Importing every module opens no socket, makes no folder and no file, starts no thread and no process."""
    script = tmp_path / "import_everything.py"
    script.write_text(_IMPORT_EVERYTHING)
    output = subprocess.run(
        [sys.executable, "-B", str(script)], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    told = json.loads(output)
    assert len(told["names"]) > 80, "the walk did not find the package"
    assert told["seen"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [script.name]


def test_the_package_alone_imports_nothing_of_itself() -> None:
    """`import omnidaemon` loads none of its layers: who needs one name does not pay for all."""
    command = "import sys, omnidaemon; print([m for m in sys.modules if m.startswith('omnidaemon.')])"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_public_names_are_there() -> None:
    """Every name that the package promises can be had from it, and no other."""
    for name in omnidaemon.__all__:
        assert getattr(omnidaemon, name).__name__ == name
    assert not hasattr(omnidaemon, "nonsense")


def test_every_error_has_a_public_path() -> None:
    """What a program may want to catch can be imported from `omnidaemon.errors`."""
    names = {
        name for name, kind in vars(domain_errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    beside = {"NotAHandler", "AddressUnavailable", "ApiFailed", "UnguardedAddress"}
    assert names | beside == set(errors.__all__)
    assert {name for name in beside if name in api.__all__} == beside - {"NotAHandler"}


def test_files_stay_small_and_say_what_they_are_for() -> None:
    """Every module begins with a sentence of purpose, none grows into a room that nobody can survey, and no line beyond
    the screen: the reason for a `noqa` is to be read, too."""
    too_long, silent = [], []
    for folder, longest in ((_PACKAGE, _LONGEST_FILE), (_TESTS, _LONGEST_TEST_FILE)):
        for path in folder.rglob("*.py"):
            lines = path.read_text().splitlines()
            if len(lines) > longest:
                too_long.append(f"{path}: {len(lines)} lines")
            too_long += [f"{path}:{number}" for number, line in enumerate(lines, 1) if len(line) > _LONGEST_LINE]
            if not lines or not lines[0].startswith('"""'):
                silent.append(str(path))
    assert (too_long, silent) == ([], [])


def test_no_room_is_called_a_lumber_room() -> None:
    """A module is named for what is in it."""
    lumber = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    names = {part for path in _PACKAGE.rglob("*.py") for part in path.relative_to(_PACKAGE).with_suffix("").parts}
    assert names & lumber == set()
