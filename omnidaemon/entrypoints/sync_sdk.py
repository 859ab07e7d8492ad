"""The client's calls, blocking, for code that has no event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from omnidaemon.domain.errors import BlockingCall
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.entrypoints.blocking import refuse_on_loop
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.event_stream import EventStream

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    call: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncSDK, P], T]:
    """The same call, on the background loop; with the same arguments, answer and errors."""

    def blocking(self: SyncSDK, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.wait_for(call(self.client, *args, **kwargs))

    blocking.__name__ = call.__name__
    blocking.__doc__ = call.__doc__
    return blocking


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(_end_calls())
    loop.close()


async def _end_calls() -> None:
    """Cancel calls that other threads wait for: without an end those would wait for ever."""
    calls = asyncio.all_tasks() - {asyncio.current_task()}
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def _next_of(stream: EventStream) -> JournalEvent | None:
    return await anext(stream, None)


class SyncSDK:
    """Runs the client on a loop in a background thread, started by the first call. Usable from any thread that runs no
    event loop; on one that does, it would block the loop, so it refuses."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process_id = 0

    def wait_for(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the background loop and return what it returns."""
        try:
            refuse_on_loop("sdk.sync", "await the same call on the sdk itself")
        except BlockingCall:
            call.close()
            raise
        return asyncio.run_coroutine_threadsafe(call, self._running_loop()).result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process_id != os.getpid():
                # In a forked child the loop is a copy whose thread stayed behind in the parent.
                self._process_id = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="omnidaemon-sync", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Close what the calls have opened, and the thread. A call under way is cancelled; the next begins anew."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
            is_own = self._process_id == os.getpid()
        if loop is not None and thread is not None and is_own:
            asyncio.run_coroutine_threadsafe(self.client.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def close_from_loop(self) -> None:
        """As close(), for a caller on a loop, which is not blocked meanwhile. Does nothing if there was no call, or on
        the background loop itself."""
        if self._loop not in (None, asyncio.get_running_loop()):
            await asyncio.to_thread(self.close)

    def events(
        self, *, after: int | None = None, task_id: str | None = None, topic: str | None = None
    ) -> Iterator[JournalEvent]:
        """As `events` of the SDK, for a plain loop: `for event in sdk.sync.events(topic="document.*")`."""
        stream = self.client.events(after=after, task_id=task_id, topic=topic)
        while (event := self.wait_for(_next_of(stream))) is not None:
            yield event

    publish_task = _blocking(Client.publish_task)
    publish_tasks = _blocking(Client.publish_tasks)
    get_result = _blocking(Client.get_result)
    wait_for_result = _blocking(Client.wait_for_result)
    list_tasks = _blocking(Client.list_tasks)
    get_task = _blocking(Client.get_task)
    cancel_task = _blocking(Client.cancel_task)
    requeue_task = _blocking(Client.requeue_task)
    delete_task = _blocking(Client.delete_task)
    list_webhooks = _blocking(Client.list_webhooks)
    redeliver_webhook = _blocking(Client.redeliver_webhook)
    list_agents = _blocking(Client.list_agents)
    get_agent = _blocking(Client.get_agent)
    start_agent = _blocking(Client.start_agent)
    stop_agent = _blocking(Client.stop_agent)
    start_all_agents = _blocking(Client.start_all_agents)
    stop_all_agents = _blocking(Client.stop_all_agents)
    remove_agent = _blocking(Client.remove_agent)
    list_workers = _blocking(Client.list_workers)
    drain_worker = _blocking(Client.drain_worker)
    drain_all_workers = _blocking(Client.drain_all_workers)
    metrics = _blocking(Client.metrics)
    topics = _blocking(Client.topics)
    purge_topic = _blocking(Client.purge_topic)
    health = _blocking(Client.health)
