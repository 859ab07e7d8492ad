"""OmniDaemon of this checkout, with every guarantee that it has by default: bus and store in the same Redis, a lease, a
journal, the result kept for a day. `publish_tasks` is its way to publish many."""

import contextlib
from collections.abc import AsyncIterator

from omnidaemon import OmniDaemonSDK

from tally import handle

REQUIREMENTS = ()
TOPIC = "bench.tasks"
_LARGEST_PAGE = 1000


def _sdk(slots: int = 100) -> OmniDaemonSDK:
    sdk = OmniDaemonSDK()
    sdk.agent(TOPIC, name="bench", concurrency=slots)(handle)
    return sdk


def work(slots: int) -> None:
    _sdk(slots).run()


def serve() -> None:
    """The HTTP API alone, of a process without agents."""
    OmniDaemonSDK().run()


class Client:
    def __init__(self, sdk: OmniDaemonSDK) -> None:
        self._sdk = sdk

    async def publish(self, payload: dict) -> str:
        return await self._sdk.publish_task(TOPIC, payload)

    async def publish_together(self, payloads: list[dict]) -> list[str]:
        return await self._sdk.publish_tasks([(TOPIC, payload) for payload in payloads])

    async def result(self, task: str) -> object:
        return (await self._sdk.wait_for_result(task, timeout=60)).result

    async def listing(self, count: int) -> int:
        page = await self._sdk.list_tasks(limit=min(count, _LARGEST_PAGE))
        listed = len(page.results)
        while page.cursor and listed < count:
            page = await self._sdk.list_tasks(cursor=page.cursor, limit=min(count - listed, _LARGEST_PAGE))
            listed += len(page.results)
        return listed

    async def start(self) -> None:
        """Work in this process."""
        await self._sdk.start()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    async with _sdk():
        pass  # the agent is registered from now on: tasks go to its queue, and no backlog of the topic has to be moved
    # With agents, for a bus and a store that are this process's own: it works too, once it is started.
    sdk = _sdk()
    try:
        yield Client(sdk)
    finally:
        await sdk.stop()
