"""`omni bench` measures the person's own backend, and leaves nothing there."""

from __future__ import annotations

import json
import re

import pytest
import redis

from omnidaemon.entrypoints.cli.app import run

FIGURES = {
    "published_singly_per_second",
    "published_at_once_per_second",
    "drained_per_second",
    "cpu_micros_per_task",
    "latency_median_ms",
    "latency_worst_ms",
}


@pytest.fixture
def own_settings(tmp_path, monkeypatch):
    """A folder of the test's own, and nothing of this machine's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIDAEMON_DATA_DIR", str(tmp_path / "data"))
    return monkeypatch


def figures(capsys, tasks=8000, slots=100):
    assert run(["bench", "--tasks", str(tasks), "--slots", str(slots), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("backend", ["sqlite", "memory"])
def test_what_is_set_is_measured_and_removed(own_settings, tmp_path, capsys, backend):
    """Each figure is there, and the data directory is as it was."""
    own_settings.setenv("EVENT_BUS_TYPE", backend)
    told = figures(capsys)
    assert (told["bus"], told["store"], told["tasks"], told["slots"]) == (backend, backend, 8000, 100)
    # In memory they may be drained before anything can be measured.
    assert all(told[name] > 0 for name in FIGURES if backend != "memory" or told[name] is not None)
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []


def test_too_few_tasks_tell_nothing(own_settings, capsys):
    """Twenty tasks take a moment, which is no pace; what is told all the same cannot be above one that was measured."""
    assert run(["bench", "--tasks", "20", "--slots", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)["drained_per_second"]
    assert (told is None) is (re.search(r"too quickly to tell how fast: give --tasks \d+0 or more", err) is not None)
    assert told is None or told * 0.2 <= 20


def test_a_server_is_left_as_it_was(own_settings, private_redis, capsys):
    """Bus and store erase their namespace, and nothing beside it."""
    own_settings.setenv("EVENT_BUS_TYPE", "redis_stream")
    own_settings.setenv("REDIS_URL", private_redis.url)
    with redis.Redis.from_url(private_redis.url) as client:
        client.set("omni:{bench}:beside", "kept")
        told = figures(capsys)
        assert told["store"] == "redis"
        assert client.keys() == [b"omni:{bench}:beside"]


def test_a_bus_on_which_nothing_waits_is_refused(own_settings, private_redis, capsys):
    """What it lost would be waited for in vain."""
    own_settings.setenv("EVENT_BUS_TYPE", "redis_pubsub")
    own_settings.setenv("REDIS_URL", private_redis.url)
    assert run(["bench"]) == 2
    assert "nothing waits" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--tasks", "19"], ["--slots", "0"], ["--tasks", "999"]])
def test_numbers_out_of_bounds_are_refused(own_settings, capsys, wrong):
    """Before anything is opened."""
    assert run(["bench", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
