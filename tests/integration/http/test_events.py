"""Events by a connection that breaks: each one once, in order."""

from __future__ import annotations

import json
import random
import threading

import httpx

from tests.integration.programs import until

DROPS, TASKS = 50, 150


class Reader:
    """Follows the events as a browser does, and goes away after a few each time."""

    def __init__(self, api):
        self._api = api
        self.last = 0
        self.positions = []
        self.ended = set()
        self.drops = 0

    def read(self, at_most):
        """A few events of one connection, from where the last one ended."""
        headers = {"Last-Event-ID": str(self.last)}
        with self._api.stream("GET", "/events?after=0", headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            event = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name in ("id", "data"):
                    event[name] = value
                elif not line and "data" in event:
                    self._take(json.loads(event["data"]), int(event["id"]))
                    event = {}
                    at_most -= 1
                    if at_most == 0 or len(self.ended) == TASKS:
                        self.drops += 1
                        return

    def _take(self, told, position):
        assert told["position"] == position
        self.last = position
        self.positions.append(position)
        if told["kind"] == "succeeded":
            self.ended.add(told["task_id"])


def test_a_reader_that_is_dropped_fifty_times(workshop):
    """Sees what one sees that reads everything at once."""
    dice = random.Random(8)
    program = workshop.run()
    with program.api() as api:
        reader = Reader(api)

        def publish():
            with program.api() as own:
                for number in range(TASKS):
                    own.post("/tasks", json={"topic": "greet.user", "payload": number}).raise_for_status()

        publishing = threading.Thread(target=publish)
        publishing.start()
        while reader.drops < DROPS or len(reader.ended) < TASKS:
            reader.read(dice.randint(1, 12))
        publishing.join()

        whole = Reader(api)
        whole.read(len(reader.positions))
        assert reader.positions == whole.positions == sorted(set(reader.positions))
        assert reader.drops >= DROPS


def test_a_task_is_followed_to_its_end(workshop):
    """The connection is closed by the server, and the next answer says that there is no more."""
    with workshop.run().api() as api:
        task_id = api.post("/tasks", json={"topic": "slow", "payload": 0.5}).json()["task_id"]
        text = api.get(f"/tasks/{task_id}/events").text
        told = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        assert told[-1]["kind"] == "succeeded"
        again = api.get(f"/tasks/{task_id}/events", headers={"Last-Event-ID": str(told[-1]["position"])})
        assert again.status_code == 204


def test_a_reader_that_does_not_read(workshop):
    """Costs the others nothing."""
    with (
        workshop.run().api() as api,
        httpx.Client(base_url=str(api.base_url), timeout=60, trust_env=False) as idle,
        idle.stream("GET", "/events"),
    ):
        task = {"topic": "greet.user", "payload": "x" * 10_000}
        ids = [api.post("/tasks", json=task).json()["task_id"] for _ in range(100)]
        until(lambda: api.get(f"/tasks/{ids[-1]}").json()["status"] == "succeeded")
        assert api.get("/health").status_code == 200
