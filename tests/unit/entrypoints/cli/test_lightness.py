"""What `omni --help` costs, by the names of what it imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {
    "apsw",
    "asyncio",
    "cattrs",
    "cyclopts.completion",
    "dependency_injector",
    "dotenv",
    "fastapi",
    "loguru",
    "markdown_it",
    "omnidaemon.adapters",
    "omnidaemon.app",
    "omnidaemon.bootstrap",
    "omnidaemon.entrypoints.client",
    "omnidaemon.entrypoints.sdk",
    "orjson",
    "prometheus_client",
    "pydantic",
    "pygments",
    "rich.markdown",
    "rich.table",
    "starlette",
    "uvicorn",
    "watchfiles",
}
PROGRAM = """
import sys
from omnidaemon.entrypoints.cli.app import run
code = run({arguments!r})
print("\\n".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["task", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    """Neither a command nor any library that only commands need is loaded for help."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert not HEAVY & set(done.stderr.split())
    assert not [name for name in done.stderr.split() if name.startswith("omnidaemon.entrypoints.cli.commands.")]


WEB = {"fastapi", "prometheus_client", "pydantic", "starlette", "uvicorn"}
UNUSED = WEB | {"cyclopts", "dependency_injector.wiring", "httpx", "redis", "rich", "watchfiles", "werkzeug"}
"""What no program needs that runs agents on SQLite without an API and sends no webhook."""

WORKING = """
import asyncio, sys
from omnidaemon import OmniDaemonSDK

async def main():
    sdk = OmniDaemonSDK()
    sdk.agent("greetings", name="greeter")(lambda payload: payload["name"])
    async with sdk:
        task_id = await sdk.publish_task("greetings", {"name": "Ada"})
        assert (await sdk.wait_for_result(task_id)).result == "Ada"
        print(*sys.modules)

asyncio.run(main())
"""


def modules_of(program, folder):
    """What a process has loaded that runs this and prints it."""
    environ = {"HOME": str(folder), "OMNIDAEMON_DATA_DIR": str(folder), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environ, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "program",
    [
        "import sys, omnidaemon; print(*sys.modules)",
        "import sys; from omnidaemon import OmniDaemonSDK; OmniDaemonSDK(); print(*sys.modules)",
        (
            "import sys; from omnidaemon.entrypoints.cli.app import run; assert run(['task', 'list']) == 0; "
            "print(*set(sys.modules) - {'cyclopts', 'rich'})"
        ),
        WORKING,
    ],
    ids=["package", "SDK", "command", "worker"],
)
def test_who_serves_no_api_does_not_pay_for_it(program, tmp_path):
    """Nor for webhooks that it doesn't send, nor for a backend that it doesn't use."""
    assert not UNUSED & modules_of(program, tmp_path)


WIRED = """
from omnidaemon import OmniDaemonSDK
import fastapi
from dependency_injector import containers, providers
from dependency_injector.wiring import MARKER_EXTRACTORS, Provide, inject

class Mine(containers.DeclarativeContainer):
    number = providers.Object(42)

@inject
def answer(number: int = fastapi.Depends(Provide[Mine.number])) -> int:
    return number

container = Mine()
container.wire(modules=[__name__])
wired = answer()
container.unwire()
print(wired, isinstance(answer(), int), "extract_marker_from_fastapi" in [each.__name__ for each in MARKER_EXTRACTORS])
"""


def test_a_program_may_wire_containers_of_its_own(tmp_path):
    """With FastAPI's kind of injection too, and whichever it imports first."""
    for program in (WIRED, "import dependency_injector.wiring" + WIRED, "import fastapi, pydantic" + WIRED):
        assert modules_of(program, tmp_path) == {"42", "False", "True"}
