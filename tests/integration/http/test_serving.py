"""The API of running processes: who serves it, what keeps it from answering (nothing), and how it ends."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time

import httpx
import pytest

from tests.integration.programs import OMNI, until

PUBLISHED = {"topic": "greet.user", "payload": "Alice"}


def test_omni_run_serves(workshop):
    """By default, the agents of its file."""
    with workshop.run().api() as api:
        assert api.get("/health").json()["status"] == "ok"
        assert [agent["name"] for agent in api.get("/agents").json()] == ["blocking", "greeter", "slow"]
        task_id = api.post("/tasks", json=PUBLISHED).json()["task_id"]
        assert api.get(f"/tasks/{task_id}?wait=30").json()["result"] == {"reply": "Hello, Alice!"}


def test_sdk_run_serves_when_it_is_enabled(workshop):
    """As the original README starts it."""
    program = workshop.start(sys.executable, "agents.py", OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT="0")
    with program.api() as api:
        assert api.get("/livez").status_code == 200
    program.send()
    assert program.wait() == 0


def test_sdk_run_does_not_serve_otherwise(workshop):
    """Nor does `omni run` when it is told not to."""
    for program in (workshop.start(sys.executable, "agents.py"), workshop.run("--no-api")):
        program.until_said("ready")
        assert "API on" not in program.said


def test_dev_serves_again_after_a_change(workshop):
    """On the same port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    program = workshop.start(*OMNI, "dev", "agents.py", "--api-port", str(port))
    program.until_said("ready")
    with program.api() as api:
        before = api.get("/workers").json()
        source = workshop.folder / "agents.py"
        source.write_text(source.read_text().replace("def slow", "def slower"))
        until(lambda: program.said.count("ready") == 2)
        assert "slower" in {agent["name"] for agent in api.get("/agents").json()}
        assert before


def test_with_several_processes_the_supervisor_alone_serves(workshop):
    """One API, that knows both of them and outlives either."""
    program = workshop.run("--processes", "2")
    with program.api() as api:

        def alive():
            return {worker["pid"] for worker in api.get("/workers").json() if worker["status"] == "alive"}

        until(lambda: len(alive()) == 2)
        assert program.pid not in alive()
        assert program.said.count("API on") == 1
    program.send()
    assert program.wait() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_api_that_fails_ends_the_run(workshop, processes):
    """It is said, nobody is left waiting on a mute address, what runs is finished, and the end is an error."""
    source = workshop.folder / "sitecustomize.py"
    source.write_text(FAILING_SERVER)
    program = workshop.run("--processes", processes, PYTHONPATH=str(workshop.folder))
    with program.api() as api:
        task_id = api.post("/tasks", json={"topic": "slow", "payload": 2}).json()["task_id"]
        until(lambda: api.get(f"/tasks/{task_id}").json()["status"] == "running")
        (workshop.folder / "fail").touch()
        program.until_said("API has failed, and is not served any more: OSError: its selector broke")
        address = (api.base_url.host, api.base_url.port)
        until(lambda: _is_refused(address))
    assert program.wait() == 1
    assert "Traceback" not in program.said
    again = workshop.start(*OMNI, "task", "result", task_id, "--json")
    assert again.wait() == 0
    assert '"succeeded"' in again.said


FAILING_SERVER = """
import asyncio, pathlib
import uvicorn

async def main_loop(self):
    while not self.should_exit:
        await asyncio.sleep(0.02)
        if pathlib.Path("fail").exists():
            raise OSError("its selector broke")

uvicorn.Server.main_loop = main_loop
"""


def _is_refused(address):
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return True
    return False


class TestATakenPort:
    """One line, and what it means depends on who has asked for the port."""

    @pytest.fixture
    def taken(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield str(server.getsockname()[1])

    def test_for_sdk_run(self, workshop, taken):
        """Exit code 1."""
        program = workshop.start(sys.executable, "agents.py", OMNIDAEMON_API_ENABLED="true", OMNIDAEMON_API_PORT=taken)
        assert program.wait() == 1
        (line,) = program.said.strip().splitlines()
        assert f"port {taken}: address already in use" in line

    def test_for_omni_run_on_a_port_that_was_named(self, workshop, taken):
        """As well."""
        program = workshop.start(*OMNI, "run", "agents.py", "--api-port", taken)
        assert program.wait() == 1
        assert f"omni: the API cannot listen on 127.0.0.1 port {taken}" in program.said
        assert "Traceback" not in program.said

    def test_for_omni_run_on_the_usual_one(self, workshop):
        """A warning, and the agents run without."""
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind(("127.0.0.1", 8765))
                server.listen()
            except OSError:
                pass  # somebody else has it, which serves as well
            program = workshop.start(*OMNI, "run", "agents.py")
            program.until_said("ready")
            assert "going on without: the API cannot listen on 127.0.0.1 port 8765" in program.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "*", "::ffff:192.168.1.20"])  # noqa: S104 - to be refused
def test_beyond_this_machine_without_keys(workshop, host):
    """Refuses to start, and says what to do."""
    program = workshop.start(*OMNI, "run", "agents.py", OMNIDAEMON_API_HOST=host)
    assert program.wait() == 2
    assert "without keys: set OMNIDAEMON_API_KEYS" in program.said
    assert "ready" not in program.said


def test_a_blocked_loop_keeps_nobody_waiting(workshop):
    """`/health` answers within a second while a handler sleeps without letting go of the loop."""
    program = workshop.run()
    with program.api() as api:
        task_id = api.post("/tasks", json={"topic": "blocks", "payload": 4}).json()["task_id"]
        until(lambda: api.get(f"/tasks/{task_id}").json()["status"] == "running")
        slowest = 0.0
        for _ in range(10):
            begun = time.monotonic()
            assert api.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert api.get(f"/tasks/{task_id}").json()["status"] == "running"
        assert slowest < 1.0


def test_it_answers_while_the_worker_drains(workshop):
    """Until the worker has left; then the process ends."""
    program = workshop.run()
    with program.api() as api:
        task_id = api.post("/tasks", json={"topic": "slow", "payload": 3}).json()["task_id"]
        until(lambda: api.get(f"/tasks/{task_id}").json()["status"] == "running")
        program.send()
        until(lambda: api.get("/workers").json()[0]["status"] == "draining")
        assert api.get(f"/tasks/{task_id}?wait=30").json()["status"] == "succeeded"
    assert program.wait() == 0


@pytest.mark.parametrize("path", ["/events", "/tasks/{task_id}/events", "/tasks/{task_id}?wait=60"])
def test_who_waits_does_not_hold_the_process(workshop, path):
    """A stream is ended properly, a wait is cut."""
    program = workshop.run()
    with program.api() as api:
        task_id = api.post("/tasks", json={**PUBLISHED, "delay": 600}).json()["task_id"]
        ends, has_begun = [], threading.Event()

        def wait():
            try:
                with api.stream("GET", path.format(task_id=task_id)) as response:
                    for _ in response.iter_lines():
                        has_begun.set()
                ends.append("properly")
            except httpx.HTTPError as error:
                ends.append(type(error).__name__)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert "events" not in path or has_begun.wait(10)
        begun = time.monotonic()
        program.send()
        assert program.wait() == 0
        assert time.monotonic() - begun < 10
        waiting.join(10)
        assert not waiting.is_alive()
        if "events" in path:
            assert ends == ["properly"]


def test_signals_are_the_programs(workshop):
    """A second one gives back what runs, as without the API."""
    program = workshop.run()
    with program.api() as api:
        task_id = api.post("/tasks", json={"topic": "slow", "payload": 600}).json()["task_id"]
        until(lambda: api.get(f"/tasks/{task_id}").json()["status"] == "running")
    program.send(signal.SIGINT)
    program.until_said("draining")
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "giving back" in program.said
