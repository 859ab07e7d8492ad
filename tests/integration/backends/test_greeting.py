"""The main job in two terminals: a worker in one folder, `omni task publish` in another."""

from __future__ import annotations

import json
import re

from tests.integration.backends.conftest import DURABLE, over
from tests.servers.workshop import Workshop

ALICE = ("task", "publish", "greet.user", '{"name":"Alice"}')
GREETING = {"reply": "Hello, Alice!"}


def test_a_worker_answers(workshop: Workshop) -> None:
    """Published, executed, its result shown."""
    workshop.start_worker()
    done = workshop.omni(*ALICE, "--wait")
    assert done.returncode == 0, done.stderr
    assert f"result\t{json.dumps(GREETING)}\n" in done.stdout


@over(DURABLE)
def test_published_while_no_worker_runs(workshop: Workshop) -> None:
    """A task waits, for an agent that was never there as for one that is down."""
    for _ in range(2):
        published = workshop.omni(*ALICE)
        assert published.returncode == 0, published.stderr
        worker = workshop.start_worker()
        done = workshop.omni("task", "result", published.stdout.strip(), "--wait", "--json")
        assert json.loads(done.stdout)["result"] == GREETING
        worker.terminate()
        assert worker.wait(30) == 0


@over([("redis_pubsub", "redis")])
def test_what_nobody_receives_is_said(workshop: Workshop) -> None:
    """Where nothing waits, a publication without a listener has failed: exit code 1, whether or not the agent is
    known."""
    for _ in range(2):
        refused = workshop.omni(*ALICE)
        assert refused.returncode == 1, refused
        assert refused.stdout == ""
        assert re.search(r"nobody|no worker|no agent", refused.stderr), refused.stderr
        worker = workshop.start_worker()
        assert workshop.omni(*ALICE, "--wait").returncode == 0
        worker.terminate()
        assert worker.wait(30) == 0
