"""The example of a bus in a package of its own: found by its entry point, judged by the suite, chosen by its name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.integration.examples.theatre import clean_environment, finished
from tests.unit.docs.pages import ROOT

_PACKAGE = ROOT / "examples" / "custom_adapter"
_OMNI = Path(sys.executable).with_name("omni")
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the package as an installer leaves it: the modules, and beside them what it says of itself.
    Made by hand from its pyproject.toml, so that no build tool has to be there."""
    target = tmp_path_factory.mktemp("site")
    project = tomllib.loads((_PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(_PACKAGE / "folder_bus", target / "folder_bus", ignore=shutil.ignore_patterns("__pycache__"))
    about = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


@pytest.fixture
def environment(installed, tmp_path):
    """The shell of somebody who has installed it and chosen it by its name."""
    return clean_environment(
        tmp_path,
        PYTHONPATH=str(installed),
        EVENT_BUS_TYPE="folder",
        RESULT_STORE_TYPE="sqlite",
        OMNIDAEMON_DATA_DIR=str(tmp_path / "data"),
    )


def test_bus_passes_the_shipped_suite(environment, tmp_path):
    """Its own tests: the suite that the built-in buses pass."""
    tests = shutil.copytree(_PACKAGE / "tests", tmp_path / "tests")
    shutil.copy(_PACKAGE / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    done = finished(command, environment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_bus_is_chosen_by_its_name(environment, tmp_path):
    """A task that was published before any worker ran goes through the folder and comes out at the other end; when
    the worker is killed after receiving, nothing that it held is lost."""

    def omni(*arguments: str) -> dict[str, object]:
        done = finished([_OMNI, *arguments, "--json"], environment, tmp_path)
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    task_id = str(omni("task", "publish", "greet.user", '{"name": "Zoë"}')["task_id"])
    waiting = [path.name for path in (tmp_path / "data").rglob("topic=greet.user/waiting/*")]
    assert len(waiting) == 1
    assert waiting[0].endswith(task_id)
    agents = ROOT / "examples" / "quickstart" / "agents.py"
    worker = subprocess.Popen([_OMNI, "run", agents], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        result = omni("task", "result", task_id, "--wait")
        assert result["result"] == {"reply": "Hello, Zoë!"}
        assert omni("health")["bus"] == "folder"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while messages := [path for path in (tmp_path / "data").rglob("topic=*/**/*") if path.is_file()]:
            assert time.monotonic() < deadline, messages
            time.sleep(0.02)  # between two looks
    finally:
        worker.terminate()
        assert worker.wait(60) == 0


def test_inbox_of_a_killed_process_is_given_back(environment, tmp_path):
    """What a process had received and not acked when it was killed comes to the next one."""
    program = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from folder_bus import folder_bus
from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.testing.place import Place
from pathlib import Path

async def main():
    place = Place(data_dir=Path(sys.argv[1]), codec=JsonCodec(), namespace="kill")
    greeter = Subscription("greet.user", "greeter")
    async with folder_bus(place.context()) as bus:
        await bus.declare({greeter: Start.NOW})
        inbox = await bus.subscribe([greeter])
        if sys.argv[2] == "die":
            await bus.publish([place.task("t1"), place.task("t2")])
            (delivery,) = await inbox.receive({greeter: 1}, 0.0)
            print(delivery.task.task_id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        print(*[delivery.task.task_id for delivery in await inbox.receive({greeter: 5}, 0.0)])
        await inbox.close()

asyncio.run(main())
"""

    def play(role: str) -> subprocess.CompletedProcess[str]:
        return finished([sys.executable, "-c", program, tmp_path / "spool", role], environment, tmp_path)

    killed = play("die")
    assert (killed.returncode, killed.stdout.split()) == (-9, ["t1"]), killed.stderr
    heir = play("take over")
    assert (heir.returncode, heir.stdout.split()) == (0, ["t1", "t2"]), heir.stderr


def test_bus_without_a_store_of_its_own_says_so(environment, tmp_path):
    """Chosen without a store, it is refused with a sentence that says what to set."""
    del environment["RESULT_STORE_TYPE"]
    done = finished([_OMNI, "health"], environment, tmp_path)
    assert done.returncode == 2
    assert "RESULT_STORE_TYPE" in done.stderr
