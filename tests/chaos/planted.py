"""The program of these tests with a fault planted in it, named by CHAOS_PLANT: the scenarios have to find it."""

from __future__ import annotations

import asyncio
import os
import runpy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omnidaemon import OmniDaemonSDK
from omnidaemon.adapters.http.webhooks import HttpNotifier
from omnidaemon.adapters.redis.run_store import RedisRunStore
from omnidaemon.adapters.redis.streams_inbox import StreamsInbox
from omnidaemon.adapters.sqlite.inbox import SqliteInbox
from omnidaemon.app.custody import Custody
from omnidaemon.domain.requests import Renewals
from omnidaemon.domain.webhook_policy import Answer
from omnidaemon.testing.chaos import agents
from omnidaemon.testing.chaos.agents import FOLDER, AuditedProgram

VARIABLE = "CHAOS_PLANT"
_EVERY = 5
_WELL_FOR_SECONDS = 4.0


def _replace(owner: Any, name: str, by: object) -> None:
    setattr(owner, name, by)


def lose() -> None:
    """An inbox lets every fifth delivery fall."""
    receive = SqliteInbox.receive
    seen = 0

    async def receive_some(self: SqliteInbox, *arguments: Any) -> Any:
        nonlocal seen
        kept = []
        for delivery in await receive(self, *arguments):
            seen += 1
            if seen % _EVERY:
                kept.append(delivery)
            else:
                await self.ack([delivery])
        return kept

    _replace(SqliteInbox, "receive", receive_some)


def repeat() -> None:
    """Whatever is executed is executed twice."""
    handle = AuditedProgram._handle

    async def handle_twice(self: AuditedProgram, payload: dict[str, Any], ctx: Any) -> str:
        await handle(self, payload, ctx)
        return await handle(self, payload, ctx)

    _replace(AuditedProgram, "_handle", handle_twice)


def falsify() -> None:
    """The outcome is one that somebody else has made."""
    _replace(agents, "value_of", lambda item, pid: f"{item} by {pid + 1}")


def keep_silent() -> None:
    """Every fifth webhook is said to be delivered, and is not."""
    send = HttpNotifier.send
    seen = 0

    async def send_some(self: HttpNotifier, message: Any) -> Answer:
        nonlocal seen
        seen += 1
        return await send(self, message) if seen % _EVERY else Answer(status_code=204)

    _replace(HttpNotifier, "send", send_some)


def cross() -> None:
    """Who waits for a result is given that of the one who waited before."""
    wait = OmniDaemonSDK.wait_for_result
    given: list[Any] = []

    async def wait_for_anothers(self: OmniDaemonSDK, *arguments: Any, **options: Any) -> Any:
        given.append(await wait(self, *arguments, **options))
        return given[-2:][0]

    _replace(OmniDaemonSDK, "wait_for_result", wait_for_anothers)


def get_stuck() -> None:
    """One of the workers receives nothing any more after a while, as if its connection had fallen silent for ever."""
    receive = StreamsInbox.receive
    ends_at = time.monotonic() + _WELL_FOR_SECONDS

    async def receive_for_a_while(self: StreamsInbox, credits: Any, wait_seconds: float) -> Any:
        if time.monotonic() > ends_at and _is_chosen():
            await asyncio.sleep(wait_seconds)
            return []
        return await receive(self, credits, wait_seconds)

    _replace(StreamsInbox, "receive", receive_for_a_while)


def stop_renewing() -> None:
    """One of the workers renews no lease, and thinks that it does."""
    renew = RedisRunStore.renew

    async def renew_not(self: RedisRunStore, owner: str, held: Any, leases: Any) -> Renewals:
        return Renewals() if _is_chosen() else await renew(self, owner, held, leases)

    _replace(RedisRunStore, "renew", renew_not)


def leak() -> None:
    """Each heartbeat, which is where a worker learns of stops and starts, leaves tasks behind."""
    stop = Custody.stop
    left: list[asyncio.Task[Any]] = []

    def stop_and_leak(self: Custody, stopped: Any) -> None:
        loop = asyncio.get_running_loop()
        left.extend(loop.create_task(asyncio.Event().wait()) for _ in range(_EVERY))
        stop(self, stopped)

    _replace(Custody, "stop", stop_and_leak)


PLANTS: Mapping[str, Callable[[], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (lose, repeat, falsify, keep_silent, cross, get_stuck, stop_renewing, leak)
}


def _is_chosen() -> bool:
    """Whether this is the one of the processes that has the fault: the first that asks."""
    path = Path(os.environ[FOLDER]) / "chosen"
    try:
        path.touch(exist_ok=False)
        path.write_text(str(os.getpid()))
    except FileExistsError:
        pass
    return path.read_text() == str(os.getpid())


if __name__ == "__main__":
    PLANTS[os.environ[VARIABLE]]()
    runpy.run_path(str(Path(__file__).with_name("program.py")), run_name="__main__")
