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


SERVING = {"prometheus_client", "uvicorn"}
WEB = SERVING | {"fastapi", "pydantic", "starlette"}


@pytest.mark.parametrize(
    ("import_", "unwanted"),
    [
        ("import omnidaemon", WEB),
        # dependency-injector looks for FastAPI and pydantic by itself, wherever they are installed.
        ("from omnidaemon import OmniDaemonSDK; OmniDaemonSDK()", SERVING),
    ],
)
def test_who_serves_no_api_does_not_pay_for_it(import_, unwanted):
    """Neither the package nor the SDK loads what serves the API before that is wanted."""
    program = f"import sys\n{import_}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stdout.split())


def test_a_command_loads_no_web_framework(tmp_path):
    """dependency-injector would, wherever one is installed; afterwards it can be loaded as ever."""
    program = """
import sys
from omnidaemon.entrypoints.cli.app import run
assert run(["task", "list"]) == 0
print(*sys.modules, file=sys.stderr)
import fastapi
"""
    environ = {"HOME": str(tmp_path), "OMNIDAEMON_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (WEB - {"pydantic"}) & set(done.stderr.split())  # which it loads beside them, and that is quick
