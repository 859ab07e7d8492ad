"""Agents and publishers that tell the auditor what they do: the program that every scenario runs in its processes.

sdk = OmniDaemonSDK(event_bus=bus_under_fire(my_bus), result_store=storage_under_fire(my_store))
program = AuditedProgram(sdk)

if __name__ == "__main__":
program.main()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from omnidaemon.domain.errors import OmniDaemonError, PublishFailed
from omnidaemon.domain.policy import DeliveryPolicy
from omnidaemon.testing.chaos.audit import value_of
from omnidaemon.testing.chaos.census import here
from omnidaemon.testing.chaos.crew import end_with_parent
from omnidaemon.testing.chaos.records import Answer, HandlerLog, PublisherLog
from omnidaemon.testing.chaos.sdk import Sdk
from omnidaemon.testing.patience import eventually

TOPIC = "chaos.work"
SCRATCH = "chaos.scratch"
REPLIES = "chaos.replies"
AGENT = "audited"
FOLDER = "CHAOS_FOLDER"
POLICY = "CHAOS_POLICY"
CONCURRENCY = "CHAOS_CONCURRENCY"
HANDLERS_LOG = "handlers.log"
PUBLISHERS_LOG = "publishers.log"

_LISTEN_SECONDS = 0.3
_WAIT_SECONDS = 1.5
"""Longer than anybody who waits relies on being told."""
_REGISTER_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class Work:
    """What a task asks of its handler. `how`: `await` sleeps as asyncio does, `sleep` blocks the loop, `spin` keeps the
    interpreter busy, `die` kills the process. The first `failures` attempts raise."""

    item: str
    seconds: float = 0.0
    how: str = "await"
    failures: int = 0

    def payload(self) -> dict[str, object]:
        """As JSON has it."""
        return attrs.asdict(self)


class AuditedProgram:
    """Registers one agent with an SDK. `main()` runs it, or publishes, as the command line says."""

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk
        folder = Path(os.environ[FOLDER])
        self._handled = HandlerLog(folder / HANDLERS_LOG)
        self._published = PublisherLog(folder / PUBLISHERS_LOG)
        policy = {"lease": 2.0, "backoff": 0.05, "crash_limit": 1000, **json.loads(os.environ.get(POLICY, "{}"))}
        sdk.agent(
            TOPIC,
            name=AGENT,
            policy=DeliveryPolicy(**policy),
            concurrency=int(os.environ.get(CONCURRENCY, "50")),
        )(self._handle)
        sdk.agent(SCRATCH, name=AGENT, policy=DeliveryPolicy(lease=policy["lease"]))(_scratch)
        sdk.agent(REPLIES, name=AGENT, policy=DeliveryPolicy(**policy))(self._hear)

    def main(self) -> None:
        """`work` runs the agent until told to stop, and at SIGUSR1 counts what there is in it; `publish FILE` publishes
        the items that the file lists; `tour` orders whatever can be ordered, of tasks that nobody audits."""
        end_with_parent()
        signal.signal(signal.SIGUSR1, lambda *_: self._handled.census(**here()))
        match sys.argv[1:]:
            case ["work"]:
                self._sdk.run()
            case ["publish", path]:
                asyncio.run(self._publish(json.loads(Path(path).read_text())))
            case ["tour"]:
                asyncio.run(self._tour())
            case other:
                raise SystemExit(f"work, publish FILE, or tour; not {other}")

    async def _handle(self, payload: dict[str, Any], ctx: Any) -> str:
        work = Work(**payload)
        if ctx.attempt <= work.failures:
            self._handled.note("failure", work.item, ctx.task_id, ctx.agent)
            raise RuntimeError("as ordered")
        self._handled.begin(work.item, ctx.task_id, ctx.agent)
        try:
            await _spend(work)
        except asyncio.CancelledError:
            self._handled.note("cancelled", work.item, ctx.task_id, ctx.agent)
            raise
        self._handled.end(work.item, ctx.task_id, ctx.agent)
        return value_of(work.item, os.getpid())

    async def _hear(self, payload: dict[str, Any], ctx: Any) -> None:
        self._handled.heard("reply", ctx.task_id, payload)

    async def _publish(self, orders: Sequence[Mapping[str, Any]]) -> None:
        """Each order is `{"item": …, "work": {…}, "options": {…}, "at_once": n, "wait": seconds}`: published by so many
        callers at once, each of which then waits for the result, for so long at most, if that is wanted."""
        try:
            async with asyncio.TaskGroup() as callers:
                for order in orders:
                    for _ in range(order.get("at_once", 1)):
                        callers.create_task(self._publish_one(order))
        finally:
            await self._sdk.close()

    async def _tour(self) -> None:
        """Somebody waits and listens, in vain, while somebody else gives orders."""
        try:
            async with asyncio.TaskGroup() as visitors:
                visitors.create_task(self._wait_in_vain())
                visitors.create_task(self._give_orders())
        finally:
            await self._sdk.close()

    async def _wait_in_vain(self) -> None:
        late = await self._sdk.publish_task(SCRATCH, None, delay=60)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(anext(self._sdk.events()), _LISTEN_SECONDS)
        with contextlib.suppress(OmniDaemonError):  # it is due long after that
            await self._sdk.wait_for_result(late, timeout=_WAIT_SECONDS)

    async def _give_orders(self) -> None:
        """Publish, read, cancel, delete, requeue, stop, start, remove, drain: whoever has registered the scratch agent
        before registers it again."""
        sdk = self._sdk
        doomed = await sdk.publish_task(SCRATCH, None, delay=60)
        done = await sdk.publish_task(SCRATCH, None, idempotency_key=doomed)
        await sdk.cancel_task(doomed)
        for order in (sdk.requeue_task, sdk.delete_task):
            with contextlib.suppress(OmniDaemonError):  # it may be in another state by now
                await order(doomed)
        with contextlib.suppress(OmniDaemonError):
            await sdk.wait_for_result(done, timeout=0.5)
        await sdk.list_tasks(topic=SCRATCH)
        await sdk.get_task(done)
        await sdk.metrics()
        await sdk.topics()
        await sdk.health()
        for told in (await sdk.list_webhooks(topic=TOPIC, limit=1)).webhooks:
            with contextlib.suppress(OmniDaemonError):  # it may be forgotten by now
                await sdk.redeliver_webhook(told.webhook_id)
        await sdk.purge_topic(SCRATCH)
        await self._registered()
        with contextlib.suppress(OmniDaemonError):  # its worker may have died before it registered it
            await sdk.stop_agent(SCRATCH, AGENT)
            await sdk.start_agent(SCRATCH, AGENT)
            await sdk.remove_agent(SCRATCH, AGENT, force=True)  # the scratch worker may be alive
        for worker in await sdk.list_workers():
            if not worker.is_alive:  # those that live are needed
                await sdk.drain_worker(worker.report.incarnation)

    async def _registered(self) -> None:
        """Wait until the worker has registered the scratch agent, for as long as a living one takes."""

        async def look() -> bool:
            return any(agent.topic == SCRATCH for agent in await self._sdk.list_agents())

        with contextlib.suppress(AssertionError):
            await eventually(look, within_seconds=_REGISTER_SECONDS)

    async def _publish_one(self, order: Mapping[str, Any]) -> None:
        item = order["item"]
        self._published.sending(item)
        try:
            task_id = await self._sdk.publish_task(TOPIC, dict(order["work"]), **order.get("options", {}))
        except PublishFailed as failure:
            if not failure.is_unknown:
                self._published.answered(item, Answer.FAILED)
        except OmniDaemonError:
            pass  # not known, as the log says already
        else:
            self._published.answered(item, Answer.OK, task_id)
            if "wait" in order:
                await self._wait_for(item, task_id, order["wait"])

    async def _wait_for(self, item: str, task_id: str, seconds: float) -> None:
        with contextlib.suppress(OmniDaemonError):  # not in time, or the store is away: then nothing was given
            result = await self._sdk.wait_for_result(task_id, timeout=seconds)
            self._published.given(item, result.result)


async def _scratch(payload: object) -> object:
    return payload


async def _spend(work: Work) -> None:
    match work.how:
        case "await":
            await asyncio.sleep(work.seconds)
        case "sleep":
            time.sleep(work.seconds)  # noqa: ASYNC251 - that it blocks is the point
        case "spin":
            until = time.monotonic() + work.seconds
            while time.monotonic() < until:
                pass
        case _:
            os.kill(os.getpid(), signal.SIGKILL)
