"""The backend is away: the API says so meanwhile, and goes on when it is back."""

from __future__ import annotations

import signal

from tests.integration.programs import until


def test_redis_killed_and_started_again(workshop, private_redis):
    """problem+json with Retry-After, a health that answers, a stream that goes on; nothing lost."""
    program = workshop.run(EVENT_BUS_TYPE="redis_stream", REDIS_URL=private_redis.url)
    with program.api() as api, api.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines) == ": listening"
        before = api.post("/tasks", json={"topic": "greet.user", "payload": "Alice"}).json()["task_id"]
        assert api.get(f"/tasks/{before}?wait=30").json()["status"] == "succeeded"

        private_redis.stop(signal.SIGKILL)
        answers = [
            api.get("/agents"),
            api.get(f"/tasks/{before}"),
            api.post("/tasks", json={"topic": "greet.user", "payload": 1}),
        ]
        for response in answers:
            assert response.status_code == 503, response.text
            assert response.headers["content-type"] == "application/problem+json"
            assert int(response.headers["retry-after"]) > 0
        health = api.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "unavailable")
        assert (api.get("/readyz").status_code, api.get("/livez").status_code) == (503, 200)

        private_redis.start()
        until(lambda: api.get("/health").status_code == 200)
        assert api.get(f"/tasks/{before}").json()["status"] == "succeeded"
        after = api.post("/tasks", json={"topic": "greet.user", "payload": "Bob"}).json()["task_id"]
        assert api.get(f"/tasks/{after}?wait=30").json()["result"] == {"reply": "Hello, Bob!"}
        assert any(after in line for line in lines), "the stream does not go on"
