"""The command in a folder of its own, with nothing of this machine's settings: in this process, or in one of its own;
on bus and store directly, or through the API of a server."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

from omnidaemon.entrypoints.cli.api_options import LOCAL_COMMANDS
from omnidaemon.entrypoints.cli.app import run
from tests.integration.programs import OMNI, PATIENCE_SECONDS, Program, until

SERVER = """
import asyncio, sys
from omnidaemon import OmniDaemonSDK
from omnidaemon.api import start_api_server

asyncio.run(start_api_server(OmniDaemonSDK(), port=int(sys.argv[1])))
"""
# Whoever reads any of these, or opens what they name, fails.
NOTHING_HERE = {"EVENT_BUS_TYPE": "kafak", "RESULT_STORE_TYPE": "nothing", "OMNIDAEMON_DATA_DIR": "/dev/null/data"}

AGENTS = '''
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()


@sdk.agent("greet.user")
async def greeter(payload):
    """Greets people."""
    return {"reply": f"Hello, {payload['name']}!"}


@sdk.agent("fails", policy=DeliveryPolicy(max_attempts=2, backoff=0.01))
async def failing(payload):
    raise ValueError("\\x1b]0;title\\x07no [red]good[/red]")


@sdk.agent("echo")
async def echo(payload):
    return payload
'''


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Omni:
    """The command in one folder. `env` holds all that it sees of the environment. `is_api`: commands that are not about
    this machine go through a server, and would fail of everything else."""

    def __init__(self, folder, *, is_api=False):
        self.folder = folder
        self.is_api = is_api
        self.server = None
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "120", "LANG": "C.UTF-8"}
        # Tests write a file twice in a second, which Python's own cache does not notice.
        self.env["PYTHONDONTWRITEBYTECODE"] = "1"
        # Several tests at once would want its port.
        self.env["OMNIDAEMON_API_ENABLED"] = "false"
        # The measuring of coverage is passed on to children by these.
        self.env |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        self._running = []

    @property
    def place(self):
        """Where the command says that it works."""
        if self.is_api:
            return f"API at {self.api_url()}"
        return f"bus sqlite, store sqlite, data in {self.folder / '.omnidaemon'}"

    def api_url(self, port=0):
        """The URL of a server over this folder's data, which runs no agents; started when it is first needed."""
        if self.server is None:
            self.server = self._begin([sys.executable, "-c", SERVER, str(port)], self.env)
        return self.server.until_said(r"API on (http://\S+)")[1]

    def _environment(self, arguments, env):
        if not self.is_api or not arguments or arguments[0] in LOCAL_COMMANDS:
            return self.env | env
        return self.env | NOTHING_HERE | {"OMNIDAEMON_API_URL": self.api_url()} | env

    def __call__(self, *arguments, stdin="", **env):
        """Run it in this process, which spares the time to import; with both outputs piped."""
        out, err = io.StringIO(), io.StringIO()
        code = self._run(arguments, stdin, env, out, err)
        return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())

    def terminal(self, *arguments, **env):
        """Run it in this process, on what says that it is a terminal of 100 columns; the exit code and all that was
        shown."""
        screen = Terminal()
        code = self._run(arguments, "", {"TERM": "xterm-256color", "COLUMNS": "100"} | env, screen, screen)
        return SimpleNamespace(returncode=code, shown=screen.getvalue())

    def _run(self, arguments, stdin, env, out, err):
        before, mine = dict(os.environ), self._environment(arguments, env)
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            os.environ.clear()
            os.environ.update(mine)
            sys.stdin, typed = given, sys.stdin
            try:
                return run(arguments)
            finally:
                sys.stdin = typed
                os.environ.clear()
                os.environ.update(before)

    def process(self, *arguments, **env):
        """Run it in a process of its own, with both outputs piped."""
        return subprocess.run(
            [*OMNI, *arguments],
            cwd=self.folder,
            env=self._environment(arguments, env),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def json(self, *arguments, code=0, **env):
        """The object that it prints with --json; stdout must be that alone."""
        done = self(*arguments, "--json", **env)
        assert done.returncode == code, done
        return json.loads(done.stdout)

    def real_terminal(self, *arguments, **env):
        """Run it in a process of its own on a terminal of 100 columns; the exit code and all that was shown."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        env = {
            name: value
            for name, value in self._environment(arguments, {"TERM": "xterm-256color"} | env).items()
            if name != "COLUMNS"
        }
        process = subprocess.Popen(
            [*OMNI, *arguments], cwd=self.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError as error:  # the other end is closed
            if error.errno != errno.EIO:
                raise
        finally:
            os.close(ours)
        return SimpleNamespace(returncode=process.wait(PATIENCE_SECONDS), shown=shown.decode().replace("\r\n", "\n"))

    def until(self, look):
        """What `look` gives once that is true; an AssertionError with all that was said otherwise."""
        try:
            return until(look)
        except AssertionError as error:
            said = "\n".join(f"--- {running.log.name}\n{running.said}" for running in self._running)
            raise AssertionError(f"{error}\n{said}") from None

    def start(self, *arguments, **env):
        """Start it and leave it running; what it says goes to a file."""
        return self._begin([*OMNI, *arguments], self._environment(arguments, env))

    def _begin(self, command, env):
        self._running.append(Program(command, self.folder, env))
        return self._running[-1]

    def worker(self, *arguments, content=AGENTS, **env):
        """A worker of these agents, ready."""
        (self.folder / "agents.py").write_text(content)
        running = self.start("run", "agents.py", *arguments, **env)
        running.until_said("ready")
        return running

    def close(self):
        """End what is still running."""
        for running in self._running:
            running.close()


@pytest.fixture(params=["direct", "api"])
def omni(request, tmp_path: Path):
    """The command, in a project folder: its data is kept there. Once directly and once through the API."""
    with project(tmp_path, is_api=request.param == "api") as command:
        yield command


@pytest.fixture
def direct(tmp_path: Path):
    """The command on bus and store themselves, for what concerns this machine."""
    with project(tmp_path) as command:
        yield command


@pytest.fixture
def remote(tmp_path: Path):
    """The command through the API of a server."""
    with project(tmp_path, is_api=True) as command:
        yield command


@contextlib.contextmanager
def project(folder, *, is_api=False):
    """The command in a new project; all that it has begun is ended afterwards."""
    (folder / "omnidaemon.toml").touch()
    command = Omni(folder, is_api=is_api)
    try:
        yield command
    finally:
        command.close()
