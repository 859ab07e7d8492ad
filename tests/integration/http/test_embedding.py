"""`start_api_server` and `create_app` in programs of people's own, over real sockets and SQLite."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import fastapi
import httpx
import pytest
import uvicorn

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.api import create_app, start_api_server
from omnidaemon.testing.chaos.servers import free_port
from omnidaemon.testing.patience import eventually

PATIENCE_SECONDS = 60


@pytest.fixture
def port():
    """One that is free."""
    return free_port()


@pytest.fixture
def sdk(tmp_path):
    """An SDK on SQLite with an agent that blocks the agents' loop for so many seconds."""
    made = OmniDaemonSDK(settings=load_settings({"data_dir": tmp_path}, directory=tmp_path, environ={}))

    @made.agent("blocks")
    async def blocking(payload):
        time.sleep(payload)  # noqa: ASYNC251 - that is the test
        return threading.current_thread().name

    return made


async def answer(url, path="/health"):
    """What it answers, once it does."""
    async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(base_url=url, trust_env=False) as api:
        while True:
            with contextlib.suppress(httpx.TransportError):
                return (await api.get(path)).json()
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(sdk, port):
    """The server as a task, as in the original README."""
    task = asyncio.create_task(start_api_server(sdk, port=port))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_beside_running_agents(sdk, port):
    """From the engine's loop: what blocks the loop that awaits it does not keep it from answering."""
    async with sdk, serving(sdk, port) as url:
        assert (await answer(url))["status"] == "ok"
        asked = asyncio.to_thread(_blocked_meanwhile, url)
        begun = asyncio.create_task(asked)
        slowest, status = await begun
        assert status == "running"
        assert slowest < 1.0


async def test_a_webhook_orders_nothing(sdk, port):
    """A payload that somebody else wrote may name this server: what follows it is refused, and its log says so."""
    async with sdk, serving(sdk, port) as url:
        await answer(url)
        task_id = await sdk.publish_task("blocks", 0, webhook=f"{url}/agents/stop")
        await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)
        page = await eventually(sdk.list_webhooks, lambda page: bool(page.webhooks[0].attempts), PATIENCE_SECONDS)
        assert [attempt.status_code for attempt in page.webhooks[0].attempts] == [403]
        assert [agent.status for agent in await sdk.list_agents()] == ["running"]


def _blocked_meanwhile(url):
    """The longest that an answer took while the agent blocked; the task's status after that."""
    with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, trust_env=False) as api:
        task_id = api.post("/tasks", json={"topic": "blocks", "payload": 3}).json()["task_id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while api.get(f"/tasks/{task_id}").json()["status"] != "running":
            assert time.monotonic() < deadline
        slowest = 0.0
        for _ in range(5):
            begun = time.monotonic()
            assert api.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        return slowest, api.get(f"/tasks/{task_id}").json()["status"]


async def test_awaited_from_another_loop(sdk, port):
    """On a thread of its own, with a loop that knows nothing of the agents'."""
    async with sdk:
        other = asyncio.new_event_loop()
        task = other.create_task(start_api_server(sdk, port=port))

        def run():
            with contextlib.suppress(asyncio.CancelledError):
                other.run_until_complete(task)
            other.close()

        thread = threading.Thread(target=run)
        thread.start()
        assert (await answer(f"http://127.0.0.1:{port}", "/workers"))[0]["status"] == "alive"
        other.call_soon_threadsafe(task.cancel)
        await asyncio.to_thread(thread.join, PATIENCE_SECONDS)
        assert not thread.is_alive()
        socket.create_server(("127.0.0.1", port)).close()  # it has let go of the port


async def test_it_moves_to_the_engine(sdk, port):
    """Awaited before the start, it answers from here until then; once sdk.start() returns, nothing answers from
    here."""
    async with serving(sdk, port) as url:
        assert (await answer(url))["workers"] == 0
        async with sdk:
            slowest, status = await asyncio.to_thread(_blocked_meanwhile, url)
            assert status == "running"
            assert slowest < 1.0


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_worker_that_has_left_is_not_waited_for(sdk, port, is_before):
    """Drained by somebody: the API ends, and its address is free, whether it was served before or not."""
    async with sdk, asyncio.timeout(PATIENCE_SECONDS):
        before = asyncio.create_task(start_api_server(sdk, port=port)) if is_before else None
        if before is not None:
            await answer(f"http://127.0.0.1:{port}")
        await sdk.drain_all_workers()
        await sdk.worker.wait()
        await (before or start_api_server(sdk, port=port))
        socket.create_server(("127.0.0.1", port)).close()


async def test_a_start_that_fails_ends_it(sdk, port):
    """The address is let go of."""

    @sdk.on_startup
    async def open_pool():
        raise RuntimeError("no pool")

    task = asyncio.create_task(start_api_server(sdk, port=port))
    await answer(f"http://127.0.0.1:{port}", "/livez")
    with pytest.raises(RuntimeError, match="no pool"):
        await sdk.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task
    socket.create_server(("127.0.0.1", port)).close()
    await sdk.close()


async def test_it_ends_with_the_worker(sdk, port):
    """By itself, without an error."""
    await sdk.start()
    task = asyncio.create_task(start_api_server(sdk, port=port))
    await answer(f"http://127.0.0.1:{port}")
    await sdk.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task


async def test_without_agents_on_the_callers_loop(sdk, port):
    """For a process that only answers."""
    async with serving(sdk, port) as url:
        told = await answer(url)
        assert (told["status"], told["workers"]) == ("ok", 0)
    await sdk.close()


async def test_mounted(sdk, port):
    """In an application of one's own, served by one's own uvicorn, with its own lifespan around."""

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with sdk:
            yield

    own = fastapi.FastAPI(lifespan=lifespan)
    own.mount("/omni", create_app(sdk))
    server = uvicorn.Server(uvicorn.Config(own, port=port, log_config=None))
    task = asyncio.create_task(server.serve())
    assert (await answer(f"http://127.0.0.1:{port}", "/omni/workers"))[0]["status"] == "alive"
    server.should_exit = True
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task


@pytest.mark.parametrize("bound", ["", "*"])
async def test_bound_to_every_address_it_has_no_name_by_that(tmp_path, port, bound):
    """A request that names no host is refused there as well."""
    environ = {"OMNIDAEMON_API_KEYS": "k" * 40}
    sdk = OmniDaemonSDK(settings=load_settings({"data_dir": tmp_path}, directory=tmp_path, environ=environ))
    task = asyncio.create_task(start_api_server(sdk, host=bound, port=port))
    assert await answer(f"http://127.0.0.1:{port}", "/livez") == {"status": "ok"}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        told = await reader.read()
    assert told.startswith(b"HTTP/1.1 403 ")
    writer.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await sdk.close()
