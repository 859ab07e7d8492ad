"""What is wrong with a server, at the command line: a clear message, the right exit code, and nothing lost."""

from __future__ import annotations

import signal

import pytest
import redis

from omnidaemon.adapters.redis.keys import prefix
from tests.servers.backends import backends_in
from tests.servers.redis_servers import PrivateRedis, binary
from tests.servers.workshop import Workshop

WRONG_USE = 2
UNREACHABLE = 4
PUBLISH = ("task", "publish", "greet.user")


@pytest.fixture
def shell(tmp_path, private_redis):
    return Workshop(tmp_path, backends_in(tmp_path, "redis_stream", "redis", private_redis.url))


@pytest.fixture
def server(private_redis):
    with redis.Redis.from_url(private_redis.url) as client:
        yield client


@pytest.fixture
def used(shell):
    """A shell whose server holds a task."""
    assert shell.omni(*PUBLISH, '"kept"').returncode == 0
    return shell


def listed(shell):
    return shell.omni("task", "list").stdout.count("queued")


def test_a_server_that_is_away(private_redis, used):
    """Told with its address; what was confirmed is there when it is back."""
    private_redis.stop(signal.SIGKILL)
    used.refuses(
        UNREACHABLE,
        "it cannot be reached (connection refused); is the server running, and REDIS_URL right?",
        *PUBLISH,
        "1",
    )
    used.refuses(UNREACHABLE, f"127.0.0.1:{private_redis.port}", "task", "list")
    private_redis.start()
    assert listed(used) == 1


def test_a_wrong_password(server, used):
    """Named, and not shown."""
    server.execute_command("CONFIG", "SET", "requirepass", "right")
    url = used.backends.variables["REDIS_URL"].replace("//", "//:s3cret@")
    used.refuses(UNREACHABLE, "check the user and the password in REDIS_URL", *PUBLISH, "1", REDIS_URL=url)
    assert "s3cret" not in used.omni(*PUBLISH, "1", REDIS_URL=url).stderr


def test_a_server_that_evicts(server, used):
    server.config_set("maxmemory-policy", "allkeys-lru")
    used.refuses(UNREACHABLE, "set `maxmemory-policy noeviction`", *PUBLISH, "1")
    server.config_set("maxmemory-policy", "noeviction")
    assert listed(used) == 1


@pytest.mark.parametrize(("other", "remedy"), [(4711, "install a newer"), (1, "another OMNIDAEMON_NAMESPACE")])
def test_data_of_another_version(server, used, other, remedy):
    """Left as they are, and read again by who knows them."""
    key = f"{prefix(used.backends.variables['OMNIDAEMON_NAMESPACE'])}schema"
    version = server.get(key)
    server.set(key, other)
    used.refuses(UNREACHABLE, f"of version {other}", "task", "list")
    used.refuses(UNREACHABLE, remedy, "task", "list")
    server.set(key, version)
    assert listed(used) == 1


def test_a_server_without_memory(server, used):
    """Told as what it is; with room again it goes on."""
    server.config_set("maxmemory", 1)
    used.refuses(UNREACHABLE, "raise maxmemory", *PUBLISH, '"refused"')
    server.config_set("maxmemory", 0)
    assert used.omni(*PUBLISH, '"again"').returncode == 0
    assert listed(used) == 2


def test_a_replica(private_redis, used, tmp_path):
    """It takes no writes, and says who does."""
    folder = tmp_path / "replica"
    folder.mkdir()
    replica = PrivateRedis(binary(), folder, "--replicaof", "127.0.0.1", str(private_redis.port))
    replica.start()
    try:
        used.refuses(UNREACHABLE, "REDIS_URL must lead to the primary", *PUBLISH, "1", REDIS_URL=replica.url)
    finally:
        replica.stop(signal.SIGKILL)
    assert listed(used) == 1


def test_an_address_of_nothing(used):
    for url in ("http://127.0.0.1", "foo", "redis://127.0.0.1:port"):
        used.refuses(WRONG_USE, f"REDIS_URL='{url}' (from environment REDIS_URL)", *PUBLISH, "1", REDIS_URL=url)
