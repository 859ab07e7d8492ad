"""Every command through the API of a server, with nothing of this machine to work on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omnidaemon.entrypoints.cli.api_options import LOCAL_COMMANDS
from omnidaemon.entrypoints.cli.app import build_app
from tests.integration.cli.test_watch import events_of
from tests.unit.docs.cli_page import commands

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "remote.md"

# Each command, what it is called with, and its exit code.
CALLS = {
    "task publish": (["echo", "1"], 0),
    "task result": (["nope"], 3),
    "task list": ([], 0),
    "task show": (["nope"], 3),
    "task cancel": (["nope"], 3),
    "task requeue": (["nope"], 3),
    "task delete": (["nope"], 3),
    "webhook list": ([], 0),
    "webhook redeliver": (["nope"], 3),
    "agent list": ([], 0),
    "agent get": (["echo", "echo"], 3),
    "agent start": (["--all"], 0),
    "agent stop": (["--all"], 0),
    "agent remove": (["echo", "echo"], 3),
    "worker list": ([], 0),
    "worker drain": (["--all"], 0),
    "bus list": ([], 0),
    "bus dlq": (["echo"], 0),
    "bus watch": (["--after", "-1"], 2),  # the rest of it in a test of its own
    "bus purge": (["echo", "--yes"], 0),
    "dlq list": ([], 0),
    "dlq show": (["echo", "nope"], 3),
    "dlq requeue": (["echo", "--all"], 0),
    "dlq purge": (["echo", "--all", "--yes"], 0),
    "health": ([], 0),
    "metrics": ([], 0),
    "doctor": ([], 0),
    "config show": ([], 0),
}
PROGRAM = """
import contextlib, io, json, sys
from omnidaemon.entrypoints.cli.app import run

codes = {}
for name, (arguments, _) in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stdout(io.StringIO()):
        codes[name] = run([*name.split(), *arguments, "--json"])
print(json.dumps({"codes": codes, "modules": sorted(sys.modules)}))
"""
BACKENDS = (
    "apsw",
    "redis",
    "dependency_injector",
    "omnidaemon.adapters.sqlite",
    "omnidaemon.adapters.redis",
    "omnidaemon.adapters.memory",
    "omnidaemon.adapters.http",
    "cattrs",
    "omnidaemon.bootstrap.container",
    "fastapi",
    "uvicorn",
)


def test_every_command_is_local_by_nature_or_has_its_endpoints():
    """What is added is added here, too."""
    there = {" ".join(chain[1:]) for chain, _ in commands(build_app())}
    assert {name.split()[0] for name in there - set(CALLS)} == {
        name for name in LOCAL_COMMANDS if not name.startswith("-")
    }
    assert set(CALLS) <= there


def test_no_command_opens_a_backend(remote):
    """None even loads the code of one, or what serves an API; the settings that name them could not work here."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(CALLS)],
        cwd=remote.folder,
        env=remote._environment(["task"], {}),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["codes"] == {name: code for name, (_, code) in CALLS.items()}, done.stderr
    assert not [name for name in told["modules"] if name.startswith(BACKENDS)]


def test_the_address_is_given_on_the_command_line_too(direct):
    """Wherever it stands, and before what the environment says."""
    url = direct.api_url()
    wrong = {"OMNIDAEMON_API_URL": "http://127.0.0.1:1", "EVENT_BUS_TYPE": "kafak"}
    for arguments in (["--api-url", url, "task", "list"], ["task", "list", f"--api-url={url}"]):
        done = direct(*arguments, "--json", **wrong)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"tasks": [], "cursor": None})


def test_a_server_that_is_not_there_is_told_with_what_to_do(direct):
    """Exit 4, the URL, where it came from, and nothing of it."""
    for command in (["task", "list"], ["health"], ["bus", "watch"], ["task", "publish", "echo", "1", "--wait"]):
        done = direct(*command, OMNIDAEMON_API_URL="http://me:secret@127.0.0.1:1")
        assert (done.returncode, done.stdout) == (4, "")
        for words in ("API at http://127.0.0.1:1", "connection refused", "omni run", "OMNIDAEMON_API_URL"):
            assert words in done.stderr
        assert "secret" not in done.stderr
    report = direct.json("doctor", code=1, OMNIDAEMON_API_URL="http://127.0.0.1:1")
    assert [finding["about"] for finding in report["findings"]] == ["API"]


def test_a_server_that_wants_a_key_gets_it(direct):
    """From the environment or the command line; without it exit 2, with what is missing."""
    key = "k" * 43
    direct.env["OMNIDAEMON_API_KEYS"] = f"ops:read:{key}"
    url = direct.api_url()
    refused = direct("task", "list", OMNIDAEMON_API_URL=url)
    assert refused.returncode == 2
    assert "--api-key or OMNIDAEMON_API_KEY" in refused.stderr
    assert direct("task", "list", OMNIDAEMON_API_URL=url, OMNIDAEMON_API_KEY=key).returncode == 0
    assert direct("task", "list", "--api-url", url, "--api-key", key).returncode == 0
    lacking = direct("task", "publish", "echo", "1", "--api-url", url, "--api-key", key)
    assert lacking.returncode == 2
    assert "lacks the scope 'publish'" in lacking.stderr
    assert key not in refused.stderr + lacking.stderr


def page_of_scopes():
    """Each command that the page names, with its scope and what it is called with."""
    rows = re.findall(r"^\| `(read|publish|control|admin)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    named = {command: scope for scope, words in rows for command in re.findall(r"`([a-z]+(?: [a-z]+)?)`", words)}
    return {command: scope for command, scope in named.items() if command in CALLS}


def test_the_page_says_which_scope_a_command_takes(direct):
    """Each command with `read` and its scope, and with all others; the example's key has all of them."""
    scopes = ("read", "publish", "control", "admin")
    enough = {scope: f"{scope}-alone".ljust(43, "k") for scope in scopes}
    lacking = {scope: f"{scope}-lacking".ljust(43, "k") for scope in scopes}
    keys = [f"{scope}:{'+'.join(dict.fromkeys(['read', scope]))}:{key}" for scope, key in enough.items()]
    keys += [f"no-{scope}:{'+'.join(set(scopes) - {scope})}:{key}" for scope, key in lacking.items()]
    direct.env["OMNIDAEMON_API_KEYS"] = ",".join(keys)
    url = direct.api_url()
    direct("task", "publish", "echo", "1")  # so that the topic is known
    named = page_of_scopes()
    looking_first = {"dlq requeue", "dlq purge", "agent remove"}  # and here is nothing that they could act on
    for command in set(named) - looking_first - {"bus watch"}:
        scope, (words, code) = named[command], CALLS[command]
        arguments = [*command.split(), *words, "--api-url", url, "--api-key"]
        done = direct(*arguments, enough[scope])
        assert (done.returncode, "lacks the scope" in done.stderr) == (code, False), command
        refused = direct(*arguments, lacking[scope])
        assert (refused.returncode, f"lacks the scope '{scope}'" in refused.stderr) == (2, True), command
    assert set(named) == set(CALLS) - {"bus dlq", "dlq show"}
    (example,) = re.findall(r"OMNIDAEMON_API_KEYS=\"ops:(\S+):\$KEY\"", PAGE.read_text())
    assert set(example.split("+")) == set(scopes)


def test_whoever_may_only_publish_is_told_what_was_published(direct):
    """Whatever else there would be to tell is left out."""
    key = "p" * 43
    direct.env["OMNIDAEMON_API_KEYS"] = f"source:publish:{key}"
    told = direct.json("task", "publish", "echo", "1", "--api-url", direct.api_url(), "--api-key", key)
    assert told["status"] == "queued"


def test_a_payload_that_is_too_large_is_told_as_such(remote):
    """Also one that the server does not read to its end."""
    for size in (2**20, 2**23):
        refused = remote("task", "publish", "echo", "-", stdin=f'"{"x" * size}"')
        assert (refused.returncode, refused.stdout) == (2, ""), refused
        assert "OMNIDAEMON_PAYLOAD_MAX_BYTES" in refused.stderr


def test_a_watch_outlives_its_server(remote, direct):
    """It is ended and started again: what happened meanwhile is shown, each event once."""
    url = remote.api_url()
    watching = remote.start("bus", "watch", "--json")
    watching.until_said("watching")
    before = remote.json("task", "publish", "echo", "1")["task_id"]
    remote.until(lambda: len(events_of(watching)) == 1)
    remote.server.send(signal.SIGINT)
    remote.server.wait()
    missed = direct.json("task", "publish", "echo", "2")["task_id"]  # in the same folder
    remote.server = None
    assert remote.api_url(url.rpartition(":")[2]) == url
    after = remote.json("task", "publish", "echo", "3")["task_id"]
    told = remote.until(lambda: len(found := events_of(watching)) == 3 and found)
    assert [event["task_id"] for event in told] == [before, missed, after]
