"""The original README, item by item: each command, endpoint, environment name, metric and sample, with its line there.

By real processes and sockets, on SQLite and on Redis alike.
"""

from __future__ import annotations

import json
import re
import signal
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.original.town import Town
from tests.integration.programs import until
from tests.servers.redis_servers import forget, free_port

BACKENDS = ["sqlite", "redis"]
SKIPPING = """
from omnidaemon import DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()

@sdk.agent("counted", when_stopped="skip", policy=DeliveryPolicy(max_attempts=2, backoff=0.01))
async def counted(payload):
    if payload == "fail":
        raise ValueError("as asked")
    return payload
"""
CRITIC = """
from omnidaemon import OmniDaemonSDK, Reject

sdk = OmniDaemonSDK()

@sdk.agent("recipe.tasks", name="Critic")
async def critic(payload):
    raise Reject("too salty")
"""


@pytest.fixture(scope="module", params=BACKENDS)
def town(request, tmp_path_factory):
    """The greeter of line 39 and the RecipeBot of line 129, each served as its line says."""
    folder = tmp_path_factory.mktemp("town")
    namespace = f"original-{uuid.uuid4().hex[:12]}"
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        settings = {"EVENT_BUS_TYPE": "redis_stream", "RESULT_STORE_TYPE": "redis", "REDIS_URL": url}
        settings["OMNIDAEMON_WEBHOOK_ALLOW"] = "localhost"  # as examples/original/README.md says
    else:
        url, settings = None, {"OMNIDAEMON_DATA_DIR": str(folder / "data")}
    town = Town(folder, settings | {"OMNIDAEMON_NAMESPACE": namespace})
    try:
        greeter = town.python("agents.py", OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=str(free_port()))
        bot = town.python("recipe_bot.py", OMNIDAEMON_API_ENABLED="true")
        for program in (greeter, bot):
            program.until_said("ready")
        until(town.serves)
        yield town
        for program in (greeter, bot):
            assert program.stop() == 0, program.said
            assert "Traceback" not in program.said
    finally:
        town.close()
        if url is not None:
            forget(url, f"*{namespace}*")


def published(town: Town, topic: str, payload: object) -> str:
    """The id of a task that has ended."""
    receipt = town.http("POST", "/tasks", json={"topic": topic, "payload": payload})
    task_id: str = receipt.json()["task_id"]
    until(lambda: status(town, task_id) not in {"queued", "running"})
    return task_id


def status(town: Town, task_id: str) -> str:
    """How far a task is."""
    found: str = town.http("GET", f"/tasks/{task_id}").json()["status"]
    return found


# --- the command (lines 56-69, 281-299, 350) --------------------------------------------------------------------------


def test_line_39_and_59_an_agent_greets(town: Town):
    """`omni task publish greet.user '{"name":"Alice"}'`: the task's id, and in time its result."""
    task_id = town.omni("task", "publish", "greet.user", '{"name":"Alice"}').strip()
    result = town.json("task", "result", task_id, "--wait")
    assert (result["status"], result["result"]) == ("succeeded", {"reply": "Hello, Alice!"})


@pytest.mark.parametrize("line", [62, 284])
def test_line_62_and_284_agents_are_listed(town: Town, line):
    """`omni agent list`."""
    listed = town.omni("agent", "list")
    assert "greet.user" in listed
    assert "RecipeBot" in listed


def test_line_285_an_agent_is_stopped(town: Town):
    """`omni agent stop recipe.tasks RecipeBot`: it takes nothing more, until it is started again."""
    town.stop_agent("recipe.tasks", "RecipeBot")
    try:
        task_id = town.json("task", "publish", "recipe.tasks", '{"query":"held"}')["task_id"]
        assert town.json("agent", "get", "recipe.tasks", "RecipeBot")["status"] == "stopped"
        town.omni("task", "result", task_id, "--wait", "--timeout", "1", code=5)
    finally:
        town.omni("agent", "start", "recipe.tasks", "RecipeBot")
    assert town.json("task", "result", task_id, "--wait")["status"] == "succeeded"


def test_line_288_and_289_a_task_is_published_and_its_result_read(town: Town):
    """`omni task publish recipe.tasks '{"query":"cake"}'`, `omni task result <task_id>`."""
    task_id = published(town, "recipe.tasks", {"query": "cake"})
    assert "a cake: mix, bake, wait, enjoy" in town.omni("task", "result", task_id)


def test_line_292_topics_are_listed(town: Town):
    """`omni bus list`."""
    listed = town.omni("bus", "list")
    assert "greet.user" in listed
    assert "recipe.tasks" in listed


def test_line_293_dead_letters_are_listed(town: Town):
    """`omni bus dlq recipe.tasks`: here of an agent that wants none of them."""
    (town.folder / "critic.py").write_text(CRITIC)
    critic = town.start_omni("run", "critic.py", "--no-api")
    critic.until_said("ready")
    try:
        task_id = town.json("task", "publish", "recipe.tasks", '{"query":"soup"}')["task_id"]
        until(lambda: status(town, task_id) == "dead")
        dead = town.omni("bus", "dlq", "recipe.tasks")
        assert task_id in dead
        assert "too salty" in dead
        assert critic.stop() == 0
    finally:
        town.omni("agent", "remove", "recipe.tasks", "Critic")  # else every later task would wait for it too


@pytest.mark.parametrize("line", [65, 294])
def test_line_65_and_294_the_bus_is_watched(town: Town, line):
    """`omni bus watch`: what happens, as it happens, until Ctrl-C."""
    watch = town.start_omni("bus", "watch")
    task_ids: list[str] = []

    def seen():
        task_ids.append(published(town, "greet.user", {"name": "Watched"}))
        return any(task_id in watch.said for task_id in task_ids)

    watch.until(seen)
    assert "greet.user" in watch.said
    assert watch.stop(signal.SIGINT) in (0, 130)
    assert "Traceback" not in watch.said


def test_line_297_health_is_shown(town: Town):
    """`omni health`."""
    assert town.json("health")["status"] == "ok"


@pytest.mark.parametrize("line", [68, 298, 351])
def test_line_68_298_and_351_metrics_are_shown(town: Town, line):
    """`omni metrics`."""
    published(town, "recipe.tasks", {"query": "counted"})
    assert re.search(r"recipe\.tasks\s.*RecipeBot", town.omni("metrics"))


# --- the HTTP API (lines 300-331, 356) ------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [303, 322])
def test_line_303_and_322_agents_by_http(town: Town, line):
    """`GET /agents`."""
    agents = town.http("GET", "/agents").json()
    found = {(agent["topic"], agent["name"]): agent for agent in agents}
    assert found["recipe.tasks", "RecipeBot"]["tools"] == ["search"]
    assert ("greet.user", "greeter") in found


def test_line_323_one_agent_by_http(town: Town):
    """`GET /agents/{topic}/{name}`; 404 for one that there is not."""
    assert town.http("GET", "/agents/recipe.tasks/RecipeBot").json()["name"] == "RecipeBot"
    assert town.http("GET", "/agents/recipe.tasks/Nobody").status_code == 404


@pytest.mark.parametrize("line", [304, 324, 325])
def test_line_304_324_and_325_an_agent_is_stopped_and_started_by_http(town: Town, line):
    """`POST /agents/{topic}/{name}/stop` and `…/start`, without a body."""
    for order, status in (("stop", "stopped"), ("start", "running")):
        answer = town.http("POST", f"/agents/recipe.tasks/RecipeBot/{order}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_line_326_and_327_all_agents_are_stopped_and_started_by_http(town: Town):
    """`POST /agents/stop` and `POST /agents/start`."""
    for order, status in (("stop", "stopped"), ("start", "running")):
        assert town.http("POST", f"/agents/{order}").status_code == 200
        found = {agent["name"]: agent["status"] for agent in town.http("GET", "/agents").json()}
        assert (found["RecipeBot"], found["greeter"]) == (status, status)


@pytest.mark.parametrize("line", [305, 328, 329])
def test_line_305_328_and_329_a_task_by_http(town: Town, line):
    """`POST /tasks` and `GET /tasks/{task_id}`; 404 for one that was never published."""
    receipt = town.http("POST", "/tasks", json={"topic": "greet.user", "payload": {"name": "Bob"}})
    assert (receipt.status_code, receipt.json()["status"]) == (202, "queued")
    task = f"/tasks/{receipt.json()['task_id']}"
    result = until(lambda: (found := town.http("GET", task).json())["status"] == "succeeded" and found)
    assert result["result"] == {"reply": "Hello, Bob!"}
    assert town.http("GET", "/tasks/never-published").status_code == 404


def test_line_330_health_by_http(town: Town):
    """`GET /health`."""
    answer = town.http("GET", "/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("line", [306, 331, 356])
def test_line_306_331_and_356_metrics_by_http(town: Town, line):
    """`GET /metrics`."""
    published(town, "recipe.tasks", {"query": "counted"})
    assert town.http("GET", "/metrics").json()["recipe.tasks"]["RecipeBot"]["tasks_processed"] >= 1


# --- metrics (lines 343-347) ------------------------------------------------------------------------------------------


def test_line_343_to_347_what_is_counted(town: Town):
    """Received, processed, failed, skipped while stopped, and the average time; by HTTP and by the command alike."""
    (town.folder / "counted.py").write_text(SKIPPING)
    worker = town.start_omni("run", "counted.py", "--no-api")
    worker.until_said("ready")
    published(town, "counted", "fine")
    failed = town.json("task", "publish", "counted", '"fail"')["task_id"]
    until(lambda: status(town, failed) == "dead")
    town.stop_agent("counted", "counted")
    skipped = town.json("task", "publish", "counted", '"late"')["task_id"]
    until(lambda: status(town, skipped) == "skipped")
    assert worker.stop() == 0

    counted = town.http("GET", "/metrics").json()["counted"]["counted"]
    names = ("tasks_received", "tasks_processed", "tasks_failed", "tasks_skipped")
    assert [counted[name] for name in names] == [3, 1, 2, 1]  # "failed" counts attempts, and there were two
    assert counted["avg_processing_time_sec"] > 0
    assert town.json("metrics")["counted"]["counted"] == counted


# --- the environment (lines 112-118, 53) ------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "name"), [(113, "EVENT_BUS_TYPE"), (114, "RESULT_STORE_TYPE")])
def test_line_113_and_114_the_backends_are_named(town: Town, line, name):
    """As the environment says, or the embedded default."""
    assert town.json("config", "show")[name]["value"] == town.environment.get(name, "sqlite")


def test_line_53_and_115_the_api_is_served_when_enabled(town: Town):
    """`OMNIDAEMON_API_ENABLED=true python agents.py` serves it, `python agents.py` does not."""
    port = free_port()
    program = town.python("agents.py", OMNIDAEMON_API_PORT=str(port))
    program.until_said("ready")
    assert not town.serves(port)
    assert program.stop() == 0


def test_line_116_the_api_has_its_port(town: Town):
    """`OMNIDAEMON_API_PORT`."""
    port = free_port()
    program = town.python("agents.py", OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=str(port))
    program.until(lambda: town.serves(port))
    assert program.stop() == 0


def test_line_117_the_command_works_through_the_api(town: Town):
    """`OMNIDAEMON_API_URL`: on no backend of its own, here on none that could work."""
    elsewhere = {"OMNIDAEMON_API_URL": f"http://localhost:{town.port}", "EVENT_BUS_TYPE": "memory"}
    elsewhere |= {"RESULT_STORE_TYPE": "memory", "OMNIDAEMON_DATA_DIR": "/nowhere"}
    result = town.json("task", "publish", "greet.user", '{"name":"Carol"}', "--wait", environment=elsewhere)
    assert result["result"] == {"reply": "Hello, Carol!"}
    assert town.json("agent", "list", environment=elsewhere) == town.json("agent", "list")


# --- the larger samples (lines 148-205, 207-247, 262-274) -------------------------------------------------------------


class Received(BaseHTTPRequestHandler):
    """Keeps what comes in on the webhook."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.received.append((self.path, body))  # type: ignore[attr-defined]  # the fixture's server has it
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells what came."""


def _at_the_samples_port():
    try:
        return ThreadingHTTPServer(("localhost", 8004), Received)
    except OSError:
        return None


@pytest.fixture
def webhook():
    """What comes in on port 8004, which the sample names: one test at a time can have it."""
    server = until(_at_the_samples_port)
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.received
    server.shutdown()
    server.server_close()


def test_line_148_207_and_262_several_agents_and_a_publisher(town: Town, webhook):
    """`python agents_runner.py`, `python publisher.py`: two tasks, their results printed, one webhook delivered."""
    town.stop_agent("recipe.tasks", "RecipeBot")  # another agent's sample on the same topic
    port = free_port()
    runner = town.python("agents_runner.py", OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=str(port))
    try:
        runner.until(lambda: town.serves(port))
        assert runner.said.count("API on ") == 1
        publisher = town.python("publisher.py")
        assert publisher.wait() == 0, publisher.said
        task_ids = re.findall(r"Published task (\S+) → (\S+)", publisher.said)
        assert [topic for _, topic in task_ids] == ["document.conversion.tasks", "recipe.tasks"]
        assert "what can you do for me" in publisher.said.partition("Result for")[2]
        (path, body), *more = runner.until(lambda: list(webhook))
        assert (path, body["task_id"], more) == ("/document_conversion_result", task_ids[0][0], [])
        assert body["result"] == {"status": "success", "data": "You asked: what can you do for me"}
    finally:
        town.omni("agent", "start", "recipe.tasks", "RecipeBot")
        code = runner.stop(signal.SIGINT)
        town.omni("agent", "remove", "recipe.tasks", "recipe_agent")
    assert (code, "Traceback" in runner.said) == (0, False), runner.said
