"""Agents, workers, topics, health, metrics and the rest by HTTP."""

from __future__ import annotations

from importlib.metadata import version

import fastapi
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from omnidaemon import OmniDaemonSDK
from omnidaemon.api import create_app
from omnidaemon.domain.errors import (
    AgentBusy,
    BackendUnavailable,
    BackendUnusable,
    MismatchedPair,
    OmniDaemonError,
    PublishFailed,
    StaleRequest,
    WaitTimedOut,
)
from omnidaemon.entrypoints import shapes
from tests.unit.entrypoints.http.conftest import READER, caller, calling, made_sdk, problem


async def test_agents(api, sdk):
    """As the command line prints them; start and stop answer what they have changed."""
    agents = (await api.get("/agents")).json()
    assert agents == [shapes.agent(agent) for agent in await sdk.list_agents()]
    assert [(agent["topic"], agent["name"]) for agent in agents] == [("fails", "failing"), ("greet.user", "greeter")]
    assert agents[1]["tools"] == ["wave"]
    path = "/agents/greet.user/greeter"
    assert (await api.post(f"{path}/stop")).json()["status"] == "stopped"
    assert (await api.get(path)).json()["status"] == "stopped"
    assert (await api.post(f"{path}/start")).json()["status"] == "running"
    assert {agent["status"] for agent in (await api.post("/agents/stop")).json()} == {"stopped"}
    assert {agent["status"] for agent in (await api.post("/agents/start")).json()} == {"running"}


@pytest.mark.parametrize("call", [("GET", ""), ("POST", "/start"), ("POST", "/stop"), ("DELETE", "")])
async def test_unknown_agents(api, call):
    """Are 404, names that none can have 422."""
    method, tail = call
    problem(await api.request(method, f"/agents/greet.user/nobody{tail}"), 404, "AgentNotFound")
    problem(await api.request(method, f"/agents/greet.user/no%20body{tail}"), 422, "InvalidInput")


async def test_an_agent_is_removed():
    """What waits goes to another; how much that was is told."""
    sdk = made_sdk()

    @sdk.agent("greet.user")
    async def successor(payload):
        return None

    async with sdk:
        pass
    async with calling(sdk) as api:
        assert (await api.delete("/agents/greet.user/greeter?to=successor")).json() == {"moved": 0}
        problem(await api.delete("/agents/greet.user/greeter"), 404, "AgentNotFound")


async def test_an_agent_that_a_live_worker_runs_is_removed_by_force_alone(api):
    """Its next start would bring it back, and the answer says so."""
    path = "/agents/greet.user/greeter"
    told = problem(await api.delete(path), 409, "AgentInUse")
    assert told["attributes"] == {"topic": "greet.user", "agent": "greeter", "workers": 1}
    assert "would register it anew" in told["detail"]
    assert (await api.delete(f"{path}?force=true")).json() == {"moved": 0}
    problem(await api.get(path), 404, "AgentNotFound")


async def test_workers_and_topics(api, sdk):
    """Who works, and what waits."""
    workers = (await api.get("/workers")).json()
    assert [worker["agents"] for worker in workers] == [
        [{"topic": "greet.user", "name": "greeter"}, {"topic": "fails", "name": "failing"}]
    ]
    topics = (await api.get("/topics")).json()
    assert topics == [shapes.depth(depth) for depth in await sdk.topics()]
    assert (await api.post("/topics/greet.user/purge")).json() == {"purged": 0, "cursor": None}
    problem(await api.post("/topics/a%20b/purge"), 422, "InvalidInput")


async def test_a_topic_is_purged_in_steps():
    """Each request cancels so many tasks at most; the first one empties the bus."""
    async with calling(made_sdk()) as api:
        for number in range(5):
            await api.post("/tasks", json={"topic": "later", "payload": number})
        first = (await api.post("/topics/later/purge?limit=3")).json()
        assert (first["purged"], len((await api.get("/tasks?status=queued")).json()["tasks"])) == (5, 2)
        rest = await api.post(f"/topics/later/purge?limit=3&cursor={first['cursor']}")
        assert rest.json() == {"purged": 0, "cursor": None}
        assert len((await api.get("/tasks?status=cancelled")).json()["tasks"]) == 5
        for query in ("limit=0", "limit=1001", "cursor=x", "all=true"):
            assert (await api.post(f"/topics/later/purge?{query}")).status_code == 422, query


async def test_workers_are_drained(api, sdk):
    """One by its id, or all."""
    problem(await api.post("/workers/nobody/drain"), 404, "WorkerNotFound")
    worker_id = (await api.get("/workers")).json()[0]["id"]
    assert (await api.post(f"/workers/{worker_id}/drain")).status_code == 204
    assert (await api.get("/workers")).json()[0]["status"] == "draining"
    assert (await api.post("/workers/drain")).status_code == 204


class AwaySDK(OmniDaemonSDK):
    """One whose backend cannot be reached."""

    error: OmniDaemonError = BackendUnavailable("redis", "redis://nowhere", "connection refused", "start it")

    async def runtime(self):
        raise self.error


@pytest.fixture
async def away():
    """Its API."""
    async with caller(create_app(AwaySDK(settings=made_sdk().settings))) as client:
        yield client


async def test_the_root_says_where_to_look(guarded):
    """To who may read: what answers, and the paths of its document and its health."""
    problem(await guarded.get("/"), 401, "Unauthorized")
    told = (await guarded.get("/", headers={"Authorization": f"Bearer {READER}"})).json()
    assert told == {
        "name": "OmniDaemon",
        "version": version("omnidaemon"),
        "openapi": "/openapi.json",
        "health": "/health",
    }


class TestHealth:
    """What is lossy or degraded is named."""

    async def test_degraded(self, api):
        """Memory loses everything, and says so."""
        response = await api.get("/health")
        assert response.status_code == 200
        told = response.json()
        assert (told["status"], told["bus"], told["store"], told["workers"]) == ("degraded", "memory", "memory", 1)
        assert any("lose tasks" in note for note in told["notes"])

    async def test_nobody_works(self):
        """As `omni health` says it."""
        sdk = made_sdk()
        async with sdk:
            pass
        async with calling(sdk) as api:
            assert "no worker runs the 2 agents" in (await api.get("/health")).json()["notes"][-1]

    async def test_it_cannot_work(self, away):
        """503, in the same shape; the process lives all the same."""
        response = await away.get("/health")
        assert (response.status_code, response.json()["status"]) == (503, "unavailable")
        assert "connection refused" in response.json()["notes"][0]
        assert (await away.get("/livez")).status_code == 200
        response = await away.get("/readyz")
        assert (response.status_code, response.json()) == (503, {"status": "unavailable"})

    async def test_a_bus_that_is_away_is_not_outshone_by_agents_that_nobody_runs(self, monkeypatch):
        """The store alone answers, and tells of agents without a worker: it cannot work all the same."""

        async def away():
            raise AwaySDK.error

        sdk = made_sdk()
        async with sdk:
            pass
        async with calling(sdk) as api:
            monkeypatch.setattr((await sdk.runtime()).bus, "depths", away)
            response = await api.get("/health")
            assert (response.status_code, response.json()["status"]) == (503, "unavailable")
            assert (response.json()["agents"], response.json()["workers"]) == (2, 0)
            assert (await api.get("/readyz")).status_code == 503

    async def test_probes(self, api):
        """Both say one word."""
        for path in ("/livez", "/readyz"):
            response = await api.get(path)
            assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_backend_that_is_away(away):
    """503 that says when to come back, by every route that needs one."""
    for call in (
        ("GET", "/agents"),
        ("GET", "/tasks/x"),
        ("GET", "/events"),
        ("GET", "/tasks/x/events"),
        ("GET", "/metrics"),
    ):
        response = await away.request(*call)
        told = problem(response, 503, "BackendUnavailable")
        assert response.headers["retry-after"] == "2"
        assert told["attributes"]["hint"] == "start it"
    response = await away.post("/tasks", json={"topic": "greet.user", "payload": 1})
    problem(response, 503, "BackendUnavailable")


@pytest.mark.parametrize(
    ("error", "status", "is_later"),
    [
        (BackendUnusable("sqlite", "/x", "corrupt"), 503, False),
        (PublishFailed("t", "no"), 503, True),
        (WaitTimedOut("t", 1.0, "running"), 504, False),
        (StaleRequest("r"), 409, False),
        (AgentBusy("t", "a", 1), 409, False),
        (MismatchedPair("a", "b", "c"), 500, False),
    ],
)
async def test_the_table_of_errors(error, status, is_later):
    """Each kind has its status; only what may pass by itself says when to try again."""
    sdk = AwaySDK(settings=made_sdk().settings)
    sdk.error = error
    async with caller(create_app(sdk)) as client:
        response = await client.get("/agents")
    assert problem(response, status, type(error).__name__)["detail"] == str(error)
    assert ("retry-after" in response.headers) is is_later


class TestMetrics:
    """JSON, or text where that is asked for."""

    async def done(self, api):
        for topic in ("greet.user", "fails"):
            task_id = (await api.post("/tasks", json={"topic": topic, "payload": 1})).json()["task_id"]
            await api.get(f"/tasks/{task_id}?wait=20")

    async def test_json(self, api, sdk):
        """As the command line prints it, unless told otherwise."""
        await self.done(api)
        told = (await api.get("/metrics")).json()
        assert told == shapes.metrics(await sdk.metrics())
        assert told["fails"]["failing"]["tasks_failed"] == 2

    @pytest.mark.parametrize(
        ("accept", "parse"),
        [
            ("text/plain", prometheus),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", prometheus),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", openmetrics),
        ],
    )
    async def test_text(self, api, accept, parse):
        """As a scraper asks for it, and a parser reads it: counters, and a histogram that adds up."""
        await self.done(api)
        response = await api.get("/metrics", headers={"Accept": accept})
        families = {family.name: family for family in parse(response.text)}
        labels = {"topic": "fails", "agent": "failing"}

        def value(name, family, **more):
            (sample,) = [s for s in families[family].samples if s.name == name and s.labels == labels | more]
            return sample.value

        assert value("omnidaemon_tasks_failed_total", "omnidaemon_tasks_failed") == 2
        assert value("omnidaemon_tasks_dead_lettered_total", "omnidaemon_tasks_dead_lettered") == 1
        times = "omnidaemon_attempt_duration_seconds"
        assert value(f"{times}_count", times) == value(f"{times}_bucket", times, le="+Inf") == 2
        assert response.headers["vary"] == "Accept"
        names = {label for family in families.values() for sample in family.samples for label in sample.labels}
        assert names == {"topic", "agent", "le"}

    @pytest.mark.parametrize("accept", ["*/*", "", "application/json", "text/html,*/*", "application/json,text/plain"])
    async def test_not_text(self, api, accept):
        """A browser and curl get JSON."""
        response = await api.get("/metrics", headers={"Accept": accept})
        assert response.headers["content-type"] == "application/json"
        assert response.headers["vary"] == "Accept"


async def test_settings_and_checkup(api):
    """As `omni config show --json` and `omni doctor --json`."""
    settings = (await api.get("/config")).json()
    assert settings["EVENT_BUS_TYPE"] == {"value": "memory", "origin": "arguments"}
    told = (await api.get("/doctor")).json()
    assert told["ok"] is True
    abouts = {finding["about"] for finding in told["findings"]}
    assert abouts >= {"settings", "bus and store", "clock"}
    assert not [about for about in abouts if "data" in about or "sqlite" in about], "memory has no disk"


async def test_mounted_in_another_application(sdk):
    """Under a prefix, with its own errors and guards; what is outside is untouched."""
    outer = fastapi.FastAPI()
    outer.mount("/omni", create_app(sdk))

    @outer.get("/own")
    async def own():
        return "own"

    async with caller(outer) as api:
        assert (await api.get("/omni/agents")).json() == [shapes.agent(agent) for agent in await sdk.list_agents()]
        problem(await api.get("/omni/tasks/x"), 404, "TaskNotFound")
        about = (await api.get("/omni/")).json()
        assert (await api.get(about["openapi"])).json()["info"]["version"] == about["version"]
        assert (await api.get(about["health"])).status_code == 200
        assert about["openapi"] in problem(await api.get("/omni/docs"), 404, "RouteNotFound")["detail"]
        problem(await api.get("/omni/agents", headers={"Host": "evil.example"}), 403, "HostNotAllowed")
        assert (await api.get("/own", headers={"Host": "evil.example"})).json() == "own"
        response = await api.post("/omni/tasks", json={"topic": "greet.user", "payload": "Alice"})
        told = (await api.get(f"/omni/tasks/{response.json()['task_id']}?wait=20")).json()
        assert told["result"] == {"reply": "Hello, Alice!"}
