"""`omni namespace erase` removes what one namespace holds, and nothing else."""

from __future__ import annotations

import pytest
import redis

pytestmark = pytest.mark.timeout(600)  # many processes, on a machine that may be busy

ERASE = ("namespace", "erase", "omni")


@pytest.fixture(params=["sqlite", "redis_stream", "redis_pubsub+sqlite"])
def kept(request, direct):
    """A project whose namespace `omni` holds an ended task, an agent and, where the bus keeps them, three that wait."""
    bus, _, store = request.param.partition("+")
    direct.env |= {"EVENT_BUS_TYPE": bus}
    if store:
        direct.env |= {"RESULT_STORE_TYPE": store, "OMNIDAEMON_ALLOW_MISMATCH": "true"}
    if "redis" in bus:
        direct.env["REDIS_URL"] = request.getfixturevalue("private_redis").url
    worker = direct.worker()
    assert direct("task", "publish", "echo", "1", "--wait").returncode == 0
    worker.close()
    direct.waiting = 0 if "pubsub" in bus else 3
    for _ in range(direct.waiting):
        assert direct("task", "publish", "nobody", "1").returncode == 0
    return direct


def test_all_of_a_namespace_is_erased_and_nothing_of_another(kept):
    """What was there is told; afterwards nothing is, and it can be used on."""
    if kept.waiting:
        kept("task", "publish", "nobody", "1", OMNIDAEMON_NAMESPACE="other")
    refused = kept(*ERASE)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "this would erase the whole namespace omni (bus " in refused.stderr
    kept.until(lambda: kept.json("worker", "list") == [] or "alive" not in str(kept.json("worker", "list")))

    erased = kept.json(*ERASE, "--yes")
    assert erased == {"namespace": "omni", "agents": 3, "runs": {"succeeded": 1}, "waiting": kept.waiting}
    assert kept.json("task", "list") == {"tasks": [], "cursor": None}
    assert (kept.json("agent", "list"), kept.json("bus", "list"), kept.json("metrics")) == ([], [], {})
    again = kept(*ERASE, "--yes")
    assert (again.returncode, again.stdout) == (3, "")
    assert "nothing is kept of a namespace 'omni' (" in again.stderr
    if kept.waiting:
        assert len(kept.json("task", "list", OMNIDAEMON_NAMESPACE="other")["tasks"]) == 1
        worker = kept.worker()
        assert kept("task", "publish", "echo", "2", "--wait").returncode == 0
        worker.close()


def test_no_key_of_it_stays_on_the_server(direct, private_redis):
    """Bus and store are erased, and what lies beside them is not touched."""
    direct.env |= {"EVENT_BUS_TYPE": "redis", "REDIS_URL": private_redis.url}
    direct("task", "publish", "nobody", "1")
    with redis.Redis.from_url(private_redis.url) as client:
        client.set("omni:{omni2}:beside", "kept")
        assert len(client.keys()) > 3
        assert direct(*ERASE, "--yes").returncode == 0
        assert client.keys() == [b"omni:{omni2}:beside"]


def test_a_look_leaves_nothing_behind(direct, private_redis):
    """Whatever is asked of a namespace that nobody has written to; so `erase` is right that there is nothing."""
    direct.env |= {"EVENT_BUS_TYPE": "redis", "REDIS_URL": private_redis.url}
    looks = [("task", "list"), ("health",), ("agent", "list"), ("bus", "list"), ("dlq", "list"), (*ERASE, "--yes")]
    for words in looks:
        direct(*words)
        with redis.Redis.from_url(private_redis.url) as client:
            assert client.keys() == [], words


def test_a_namespace_in_which_workers_live_is_left(direct):
    """Unless it is forced: the worker finds gone what it had."""
    direct.worker()
    refused = direct(*ERASE, "--yes")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "a worker lives in this namespace" in refused.stderr
    assert "omni worker drain --all" in refused.stderr
    assert len(direct.json("agent", "list")) == 3
    assert direct(*ERASE, "--yes", "--force").stdout.startswith("erased namespace omni: 3 agents, 0 runs")


@pytest.mark.parametrize(
    ("arguments", "env", "word"),
    [
        ((), {"OMNIDAEMON_API_URL": "http://127.0.0.1:1"}, "an API is named (from environment OMNIDAEMON_API_URL)"),
        (("--api-url", "http://127.0.0.1:1"), {}, "works on this machine, not through an API"),
        ((), {"EVENT_BUS_TYPE": "memory"}, "lives inside one process"),
        ((), {"EVENT_BUS_TYPE": "memory", "RESULT_STORE_TYPE": "sqlite"}, "the bus 'memory'"),
    ],
)
def test_what_cannot_be_meant_is_refused(direct, arguments, env, word):
    """Through an API, which may be one of elsewhere, and in memory."""
    done = direct(*ERASE, "--yes", *arguments, **env)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert word in done.stderr


def test_a_slip_makes_nothing(direct):
    """The file and the folder of a namespace that is not there are not made to be erased."""
    before = sorted(direct.folder.rglob("*"))
    done = direct("namespace", "erase", "typo", "--yes")
    assert (done.returncode, done.stdout) == (3, "")
    assert "nothing is kept of a namespace 'typo' (bus sqlite" in done.stderr
    assert sorted(direct.folder.rglob("*")) == before


def test_no_namespace_is_called_so(direct):
    """Before anything is opened."""
    done = direct("namespace", "erase", "*", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'*' is not a valid namespace" in done.stderr
