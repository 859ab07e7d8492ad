"""The short forms of some scenarios; the long forms of all, on all pairs, are `make chaos`."""

from __future__ import annotations

from omnidaemon.testing.chaos.contract import ChaosContract
from tests.chaos.backends import PAIRS, backend


class _OnPair(ChaosContract):
    pair = ""

    def backend(self, scenario, folder):
        return backend(PAIRS[self.pair], folder, two_servers=scenario.two_servers, cables=scenario.cables)


class TestSqlite(_OnPair):
    pair = "sqlite+sqlite"
    scenarios = ("kills", "freezes", "notification-kills", "failpoint-errors", "one-key", "cancellations", "backlog")


class TestRedis(_OnPair):
    pair = "redis_stream+redis"
    scenarios = (
        "kills",
        "freezes",
        "failpoint-errors",
        "server-kills",
        "bad-line",
        "store-away",
        "cancellations",
        "backlog",
    )


class TestRedisPubsub(_OnPair):
    """Lossy before a task is begun, and as safe as the others after."""

    pair = "redis_pubsub+redis"
    scenarios = ("recovery",)
