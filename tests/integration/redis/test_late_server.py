"""Workers that are started before their server: they wait for one that is away, and refuse one that must be mended."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request

import pytest
import redis

from omnidaemon import OmniDaemonSDK
from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.errors import BackendUnavailable
from tests.servers.backends import backends_in
from tests.servers.redis_servers import free_port
from tests.servers.workshop import Workshop

WAITING = "trying again until it answers"
ENDED = 30

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["redis_stream", "redis_pubsub", "sqlite"])
def shop(request, tmp_path, private_redis):
    """Whichever of bus and store is on the server."""
    shop = Workshop(tmp_path, backends_in(tmp_path, request.param, "redis", private_redis.url, **MISMATCH))
    yield shop
    shop.close()


MISMATCH = {"OMNIDAEMON_ALLOW_MISMATCH": "true"}


def asked(port, path):
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


async def test_it_waits_says_so_once_and_works_once_the_server_is_there(shop, private_redis):
    """The API answers meanwhile: the process lives, and cannot work."""
    private_redis.stop()
    port = free_port()
    worker = shop.start_worker(says=WAITING, OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=str(port))
    assert asked(port, "/livez") == (200, {"status": "ok"})
    assert asked(port, "/readyz")[0] == 503
    status, health = asked(port, "/health")
    assert (status, health["status"]) == (503, "unavailable")
    assert "is the server running" in health["notes"][0]
    await asyncio.sleep(3)  # time passes, in which it tries again several times
    assert shop.words.count(WAITING) == 1
    private_redis.start()
    shop.until(lambda: "ready" in shop.words, 10)
    assert asked(port, "/readyz") == (200, {"status": "ok"})
    sdk = OmniDaemonSDK(settings=shop.backends.settings)
    try:
        result = await sdk.wait_for_result(await sdk.publish_task("greet.user", {"name": "Alice"}), timeout=20)
    finally:
        await sdk.close()
    assert result.status == "succeeded"
    assert asked(port, "/health")[1]["workers"] == 1
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDED) == 0


def test_told_to_stop_while_it_waits(shop, private_redis):
    """It ends at once, as it does at any other time."""
    private_redis.stop()
    port = str(free_port())
    worker = shop.start_worker(says=WAITING, OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=port)
    assert asked(port, "/livez")[0] == 200
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDED) == 0
    assert "Traceback" not in shop.words


def test_what_must_be_mended_is_refused_at_once(tmp_path, private_redis):
    """A wrong password, and data of a newer version."""
    shop = Workshop(tmp_path, backends_in(tmp_path, "redis_stream", "redis", private_redis.url))
    try:
        assert shop.omni("task", "publish", "greet.user", "1").returncode == 0
        with redis.Redis.from_url(private_redis.url) as server:
            server.set(f"{prefix(shop.backends.variables['OMNIDAEMON_NAMESPACE'])}schema", 4711)
            newer = shop.start_worker(may_die=True)
            assert (newer.wait(ENDED), "4711" in shop.words_of(newer)) == (1, True)
            server.execute_command("CONFIG", "SET", "requirepass", "right")
            url = private_redis.url.replace("//", "//:wrong@")
            stranger = shop.start_worker(may_die=True, REDIS_URL=url)
            assert (stranger.wait(ENDED), "check the user and the password" in shop.words_of(stranger)) == (1, True)
    finally:
        shop.close()
    assert WAITING not in shop.words


async def test_a_program_of_ones_own_is_told_instead(tmp_path, private_redis):
    """`start()` leaves it to the program what to do, unless it asks for the waiting."""
    backends = backends_in(tmp_path, "redis_stream", "redis", private_redis.url)
    private_redis.stop()
    sdk = OmniDaemonSDK(settings=backends.settings)
    sdk.agent("greet.user", name="greeter")(lambda payload: payload)
    with pytest.raises(BackendUnavailable):
        await sdk.start()
    starting = asyncio.create_task(sdk.start(wait_for_backends=True))
    done, _ = await asyncio.wait([starting], timeout=1)
    assert not done
    await asyncio.to_thread(private_redis.start)
    async with asyncio.timeout(20):
        await starting
        task_id = await sdk.publish_task("greet.user", 1)
        assert (await sdk.wait_for_result(task_id)).result == 1
    await sdk.stop()
