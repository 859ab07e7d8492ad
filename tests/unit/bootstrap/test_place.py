"""Where a runtime says that it works."""

from __future__ import annotations

import pytest

from omnidaemon.bootstrap.container import Container


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({}, "bus sqlite, store sqlite, data in {data}"),
        ({"EVENT_BUS_TYPE": "memory"}, "bus memory, store memory"),
        (
            {"EVENT_BUS_TYPE": "redis", "REDIS_URL": "redis://me:word@host:1/2", "OMNIDAEMON_NAMESPACE": "mine"},
            "bus redis_stream, store redis, server redis://host:1/2, namespace mine",
        ),
        ({"EVENT_BUS_TYPE": "redis_pubsub"}, "bus redis_pubsub, store redis, server redis://127.0.0.1:6379/0"),
        ({"RESULT_STORE_TYPE": "redis"}, "bus sqlite, store redis, server redis://127.0.0.1:6379/0, data in {data}"),
    ],
)
def test_a_place_names_what_differs_from_others(load, tmp_path, env, place):
    """Bus and store, their server without its password, the namespace that was chosen, and where files are."""
    settings = load(OMNIDAEMON_DATA_DIR=str(tmp_path), **env)
    assert Container(settings=settings).runtime().place == place.format(data=tmp_path)
