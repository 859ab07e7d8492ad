"""`omni doctor` on Redis: how the server is run, what that can lose, and what to do."""

from __future__ import annotations

import json
import signal

import pytest
import redis

from tests.servers.backends import backends_in
from tests.servers.redis_servers import PrivateRedis, binary
from tests.servers.workshop import Workshop


@pytest.fixture
def run_with(tmp_path):
    """A server that is run with these options."""
    running: list[PrivateRedis] = []

    def start(*options):
        folder = tmp_path / f"redis-{len(running)}"
        folder.mkdir()
        server = PrivateRedis(binary(), folder, *options)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop(signal.SIGKILL)


def trouble(folder, url, bus="redis_stream"):
    """The exit code, and severity, finding and advice of whatever is not fine about the server."""
    done = Workshop(folder, backends_in(folder, bus, "redis", url)).omni("doctor", "--json")
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, [
        (each["severity"], each["found"], each["advice"])
        for each in findings
        if each["severity"] != "fine" and "127.0.0.1" in each["about"] + each["found"]
    ]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("", (1, "wrong", "keeps nothing on disk", "appendonly yes")),
        ("--save 3600 1", (0, "weak", "appendonly is off", "appendonly yes")),
        ("--appendonly yes --appendfsync everysec", (0, "weak", "about a second", "appendfsync always")),
        ("--appendonly yes --appendfsync no", (0, "weak", "appendfsync is no", "appendfsync always")),
    ],
)
def test_what_a_restart_or_a_power_cut_would_lose(run_with, tmp_path, options, wanted):
    """Once, though bus and store both know of it."""
    code, severity, found, advice = wanted
    exit_code, ((told, what, remedy),) = trouble(tmp_path, run_with(*options.split()).url)
    assert (exit_code, told) == (code, severity)
    assert found in what
    assert advice in remedy


def test_a_server_that_is_run_well(private_redis, tmp_path):
    assert trouble(tmp_path, private_redis.url) == (0, [])


def test_a_server_that_evicts(private_redis, tmp_path):
    """Everything refuses to start on it; the doctor says so too."""
    with redis.Redis.from_url(private_redis.url) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    code, ((severity, found, _),) = trouble(tmp_path, private_redis.url)
    assert (code, severity) == (1, "wrong")
    assert "set `maxmemory-policy noeviction`" in found


def test_what_a_user_may_not_read_is_said(private_redis, tmp_path):
    """A server's settings are often kept from its users."""
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "me", "on", ">right", "~*", "&*", "+@all", "-config")
    code, ((severity, found, advice),) = trouble(tmp_path, private_redis.url.replace("//", "//me:right@"))
    assert (code, severity) == (0, "weak")
    assert "may not read its appendfsync" in found
    assert "+config|get" in advice
