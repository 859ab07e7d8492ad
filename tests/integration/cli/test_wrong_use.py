"""Wrong use and failures: the right exit code, a clear word, never a traceback."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess

import pytest

from tests.integration.cli.conftest import project
from tests.integration.cli.test_through_api import CALLS
from tests.integration.programs import OMNI

# A command line, its exit code, and words that must be told.
MISTAKES: list[tuple[list[str], int, list[str]]] = [
    (["taks"], 2, ['Did you mean "task"?', "`omni --help`"]),
    (["task", "lst"], 2, ['Did you mean "list"?', "`omni task --help`"]),
    (["task", "list", "--statsu", "dead"], 2, ["Did you mean --status?"]),
    (["task", "list", "--statsu=dead"], 2, ["Unknown option: --statsu. Did you mean --status?"]),
    (["bench", "--count", "9"], 2, ["Unknown option: --count. There are --tasks, --slots, --json."]),
    (["dlq", "list", "--all"], 2, ["Unknown option: --all. There are --limit, --cursor, --json."]),
    (["task", "publish", "greet"], 2, ["PAYLOAD", "`omni task publish --help`"]),
    (["task", "publish", "greet", "{name: Alice}"], 2, ["line 1, column 2", "quote the whole payload"]),
    (["task", "publish", "greet", "{name:", "Alice}"], 2, ["Alice}", "quote the whole payload"]),
    (["task", "publish", "greet", "@/no/such/file"], 2, ["@/no/such/file", "No such file"]),
    (["task", "publish", "greet user", "1"], 2, ["'greet user' is not a valid topic", "A-Z a-z 0-9"]),
    (["task", "publish", "greet", "1", "--timeout", "3"], 2, ["--timeout goes with --wait"]),
    (["task", "publish", "greet", "1", "--delay", "1s", "--due-at", "2030-01-01"], 2, ["exclude one another"]),
    (["task", "publish", "greet", "1", "--delay", "soon"], 2, ["--delay is 'soon'", "10m"]),
    (["task", "publish", "greet", "1", "--due-at", "soon"], 2, ["--due-at is 'soon'"]),
    (["task", "publish", "greet", "1", "--header", "novalue"], 2, ["'novalue'", "name=value"]),
    (["task", "list", "--status", "done"], 2, ["--status is 'done'", "succeeded"]),
    (["task", "list", "--limit", "0"], 2, ["--limit is 0", "1 to 1000"]),
    (["task", "list", "--cursor", "no cursor"], 2, ["cursor"]),
    (["task", "result", "nope"], 3, ["no task 'nope'", "omni task list"]),
    (["task", "result", "nope", "--wait"], 3, ["no task 'nope'"]),
    (["task", "show", "nope"], 3, ["no task 'nope'"]),
    (["task", "cancel", "nope"], 3, ["no task 'nope'"]),
    (["task", "requeue", "nope"], 3, ["no task 'nope'"]),
    (["task", "delete", "nope"], 3, ["no task 'nope'"]),
    (["agent", "get", "greet", "nobody"], 3, ["no agent 'nobody'", "omni agent list"]),
    (["agent", "stop", "greet", "nobody"], 3, ["no agent 'nobody'"]),
    (["agent", "remove", "greet", "nobody"], 3, ["no agent 'nobody'"]),
    (["agent", "stop"], 2, ["--all"]),
    (["agent", "stop", "greet", "greeter", "--all"], 2, ["not both"]),
    (["worker", "drain"], 2, ["--all"]),
    (["worker", "drain", "nope"], 3, ["no worker 'nope'", "omni worker list"]),
    (["bus", "purge", "greet"], 2, ["--yes"]),
    (["bus", "watch", "--after", "-1"], 2, ["--after is -1"]),
    (["run", "nope.py", "--api-url", "http://127.0.0.1:1"], 2, ["not through an API"]),
    (["task", "list", "--api-url"], 2, ["--api-url needs a value"]),
    (["dlq", "purge", "greet"], 2, ["--all"]),
    (["dlq", "purge", "--all"], 2, ["TOPIC", "one topic at a time: `omni dlq purge TOPIC --all`", "`omni dlq list`"]),
    (["dlq", "requeue", "--all"], 2, ["TOPIC", "one topic at a time: `omni dlq requeue TOPIC --all`"]),
    (["dlq", "purge", "greet", "nope", "--all"], 2, ["not both"]),
    (["dlq", "requeue", "greet", "nope"], 3, ["no dead letter 'nope'", "omni dlq list greet"]),
    (["dlq", "requeue", "greet", "--all"], 3, ["no agent listens to greet"]),
    (["dlq", "purge", "greet", "--all"], 2, ["--yes"]),
    (["dlq", "purge", "greet", "--all", "--yes"], 3, ["no agent listens to greet"]),
    (["bus", "purge", "greet", "--yes"], 3, ["no agent listens to greet"]),
    (["dlq", "show", "greet", "nope"], 3, ["no dead letter 'nope'"]),
    (["run", "nope.py"], 2, ["nope.py", "there is no such file"]),
    (["run", "."], 2, [".: that is a folder", "omni run agents.py"]),
    (["run", "./agents"], 2, ["./agents: it is no file that ends in .py"]),
    (["run", "nope.module"], 2, ["there is no module"]),
    (["run", "nope.py", "--processes", "0"], 2, ["--processes is 0"]),
    (["dev", "nope.py"], 2, ["there is no such file"]),
]


@pytest.fixture(scope="module", params=["direct", "api"])
def mistaken(request, tmp_path_factory):
    """The command for all mistakes together: none of them leaves anything behind."""
    with project(tmp_path_factory.mktemp("mistakes"), is_api=request.param == "api") as command:
        yield command


@pytest.mark.parametrize(
    ("arguments", "code", "words"), MISTAKES, ids=[" ".join(arguments) for arguments, _, _ in MISTAKES]
)
def test_a_mistake_is_told_with_what_to_do(mistaken, arguments, code, words):
    """The exit code, nothing on stdout, and a few words on stderr that help."""
    done = mistaken(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("omni: ")
    assert done.stderr.count("Unknown option") <= 1


@pytest.mark.parametrize(
    ("env", "code", "words"),
    [
        (
            {"EVENT_BUS_TYPE": "kafak"},
            2,
            ["unknown bus 'kafak' (from environment EVENT_BUS_TYPE)", "installed:", "sqlite"],
        ),
        ({"EVENT_BUS_TYPE": "kafka"}, 2, ["'kafka' (from environment EVENT_BUS_TYPE) is planned, not there yet"]),
        ({"EVENT_BUS_TYPE": "memory"}, 2, ["(from environment EVENT_BUS_TYPE) lives inside one process", "=sqlite"]),
        ({"OMNIDAEMON_NAMESPACES": "x"}, 2, ["OMNIDAEMON_NAMESPACES", "did you mean OMNIDAEMON_NAMESPACE?"]),
        ({"OMNIDAEMON_RESULT_TTL": "long"}, 2, ["OMNIDAEMON_RESULT_TTL='long'", "environment"]),
        ({"RESULT_STORE_TYPE": "memory"}, 2, ["bus 'sqlite' with store 'memory'", "OMNIDAEMON_ALLOW_MISMATCH"]),
        ({"OMNIDAEMON_PAYLOAD_MAX_BYTES": "3"}, 2, ["the payload has", "the limit is 3"]),
        ({"OMNIDAEMON_DATA_DIR": "/dev/null/data"}, 4, ["sqlite at /dev/null/data"]),
    ],
)
def test_wrong_settings_are_told_with_what_to_do(direct, env, code, words):
    """Nothing is published, and the setting is named with its origin and what it may be."""
    done = direct("task", "publish", "greet", '"hello"', **env)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert "Traceback" not in done.stderr


OF_OTHERS = {
    name: arguments for name, (arguments, _) in CALLS.items() if name not in {"health", "doctor", "config show"}
}
OF_THE_BUS = {"task publish", "bus list", "bus purge", "agent remove"}


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_lives_in_one_process_is_not_looked_for_from_another(direct, name):
    """A command that would find nothing in memory says so, instead of that there is nothing."""
    arguments = [] if name == "bus watch" else OF_OTHERS[name]
    done = direct(*name.split(), *arguments, EVENT_BUS_TYPE="memory", STORAGE_BACKEND="memory")
    part = "bus" if name in OF_THE_BUS else "store"
    assert (done.returncode, done.stdout) == (2, ""), done
    assert f"the {part} 'memory' (from environment EVENT_BUS_TYPE) lives inside one process" in done.stderr


@pytest.mark.parametrize(
    "option", [["--delay", "1h"], ["--due-at", "2040-01-01T00:00Z"], ["--idempotency-key", "k"], ["--wait"]]
)
def test_what_needs_the_store_is_not_left_in_memory(direct, option):
    """The bus would keep the task, and the store would forget when it is due, its key and its result."""
    env = {"RESULT_STORE_TYPE": "memory", "OMNIDAEMON_ALLOW_MISMATCH": "true"}
    done = direct("task", "publish", "echo", "1", *option, **env)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert "the store 'memory' (from environment RESULT_STORE_TYPE) lives inside one process" in done.stderr
    if option == ["--wait"]:
        assert direct("task", "publish", "echo", "1", **env).returncode == 0


def test_a_store_that_others_reach_is_looked_into_whatever_the_bus(direct):
    """Runs of a memory bus outlive it there; to publish on it is refused all the same."""
    env = {"EVENT_BUS_TYPE": "memory", "RESULT_STORE_TYPE": "sqlite"}
    assert direct.json("task", "list", **env) == {"tasks": [], "cursor": None}
    assert direct("task", "publish", "echo", "1", **env).returncode == 2
    for command in ("health", "doctor"):
        assert direct(command, EVENT_BUS_TYPE="memory").returncode == 0
    shown = direct.json("config", "show", EVENT_BUS_TYPE="memory")
    assert shown["RESULT_STORE_TYPE"] == {"value": "memory", "origin": "default"}


def test_a_corrupt_file_is_told_and_left(direct):
    """Exit 4, the file's name, and not a byte of it changed."""
    folder = direct.folder / ".omnidaemon"
    folder.mkdir()
    file = folder / "omni.db"
    file.write_bytes(b"this is no database " * 100)
    done = direct("health")
    assert done.returncode == 4
    assert "unavailable" in done.stdout
    assert str(file) in done.stdout
    assert direct("task", "list").returncode == 4
    assert file.read_bytes() == b"this is no database " * 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x = (", ["agents.py: line 1"]),
        ("import nothing_of_the_kind", ["agents.py", "No module named 'nothing_of_the_kind'"]),
        ("x = 1", ["there is no OmniDaemonSDK"]),
        ("from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()", ["has no agents"]),
        (
            "from omnidaemon import OmniDaemonSDK\nsdk = OmniDaemonSDK()\nfor n in 'aa': sdk.agent('t', name=n)(print)",
            ["'a' is registered twice"],
        ),
    ],
)
def test_a_file_of_agents_that_is_no_use_ends_at_once(direct, content, words):
    """One message, exit 2, and no starting over and over."""
    (direct.folder / "agents.py").write_text(content)
    for processes in ("1", "3") if content == "x = 1" else ("1",):
        check_ends_at_once(direct.process("run", "agents.py", "--processes", processes), words)


def check_ends_at_once(done, words):
    """That a command has told one mistake, with these words."""
    assert (done.returncode, done.stdout) == (2, ""), done
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert done.stderr.count("omni: ") == 1


def test_with_json_an_error_is_one_object(omni):
    """On stderr, its kind and its message; stdout stays empty."""
    for arguments in (["task", "result", "nope"], ["task", "lst"], ["task", "publish", "greet", "{bad"]):
        done = omni(*arguments, "--json")
        assert done.stdout == ""
        error = json.loads(done.stderr)["error"]
        assert set(error) == {"type", "message", "hint"}
        assert error["hint"]
        assert error["message"]
        assert "\n" not in error["message"]


def test_ctrl_c_ends_a_wait_quietly(omni):
    """Exit 130, as shells have it, without a word."""
    waiting = omni.start("task", "publish", "greet.user", "1", "--wait")
    waiting.until_said("task ")
    waiting.send(signal.SIGINT)
    assert waiting.wait() == 130
    assert len(waiting.said.splitlines()) == 1


def test_a_broken_pipe_is_no_matter(omni):
    """Whoever reads only the beginning gets it, and no complaint."""
    for number in range(3):
        assert omni("task", "publish", "greet.user", str(number)).returncode == 0
    command = f"{shlex.join(OMNI)} task list --json | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=omni.folder, env=omni.env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{"
    assert done.stderr == ""
