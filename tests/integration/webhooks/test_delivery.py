"""Webhooks through a real worker to a real receiver: failures of every kind, slow receivers, and kill -9."""

from __future__ import annotations

import asyncio
import time

import pytest
from dependency_injector import providers

from omnidaemon import OmniDaemonSDK
from omnidaemon.adapters.http.webhooks import HttpNotifier
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.webhook_policy import WebhookPolicy
from omnidaemon.testing.patience import eventually
from tests.integration.webhooks.conftest import SECRET, Site
from tests.integration.webhooks.receiver import FAILURES, receiving

DELIVERIES = 1000

pytestmark = pytest.mark.timeout(400)  # on a machine that does much else; alone, a quarter of a minute each


def with_short_pauses(sdk: OmniDaemonSDK, deadline_seconds: float = 2.0) -> OmniDaemonSDK:
    """An SDK whose webhooks are tried again at once, and not for long."""
    sdk.container.webhook_policy.override(providers.Object(WebhookPolicy(pauses=(0.05,) * 30)))
    sdk.container.notifier_factory.override(
        providers.Object(lambda context: HttpNotifier(context, deadline_seconds=deadline_seconds))
    )
    return sdk


async def delivered(sdk: OmniDaemonSDK, *, within_seconds: float = 100.0) -> None:
    """Return once nothing is left to be sent."""

    async def pending() -> int:
        await asyncio.sleep(0.05)
        return len((await sdk.list_webhooks(status="pending", limit=1000)).webhooks)

    await eventually(pending, lambda left: left == 0, within_seconds)


async def test_each_of_a_thousand_arrives_at_a_receiver_that_fails(site: Site) -> None:
    """Three in ten deliveries fail, in every way there is: each webhook arrives, verified, under one id."""
    sdk = with_short_pauses(site.sdk())

    @sdk.agent("echo")
    async def echo(payload: object) -> object:
        return payload

    with receiving(SECRET, share_that_fails=0.3) as receiver:
        async with sdk:
            ids = await sdk.publish_tasks([("echo", n) for n in range(DELIVERIES)], webhook=receiver.url)
            for task_id in ids:
                await sdk.wait_for_result(task_id, timeout=60)
            await delivered(sdk)
            done = await sdk.list_webhooks(status="delivered", limit=1000)
            again = [entry for entry in done.webhooks if len(entry.attempts) > 1]
    assert receiver.unverified == []
    assert set(receiver.failed) == set(FAILURES)
    assert sum(receiver.failed.values()) > DELIVERIES * 0.25
    assert set(receiver.ids_by_task) == set(ids)
    assert all(len(webhook_ids) == 1 for webhook_ids in receiver.ids_by_task.values())
    assert sorted(receiver.arrived) == sorted(entry.webhook_id for entry in done.webhooks)
    assert {receiver.bodies[webhook_id]["result"] for webhook_id in receiver.arrived} == set(range(DELIVERIES))
    assert len(again) > DELIVERIES * 0.15
    for entry in again:
        assert [line.attempt for line in entry.attempts] == list(range(1, len(entry.attempts) + 1))
        assert all(line.error or line.status_code != 204 for line in entry.attempts[:-1])


async def test_a_worker_that_is_killed_before_it_tells_loses_nothing(site: Site) -> None:
    """Between the end of a run and the sending: the next worker sends it."""
    sdk = site.sdk()
    with receiving(SECRET) as receiver:
        worker = site.worker(NEVER_TELLS="1")
        ids = await sdk.publish_tasks([("echo", n) for n in range(20)], webhook=receiver.url, reply_to="told")
        for task_id in ids:
            result = await sdk.wait_for_result(task_id, timeout=60)
            assert result.status == "succeeded", site.logs()
        worker.kill()
        pending = await sdk.list_webhooks(status="pending")
        assert len(pending.webhooks) == 40
        assert receiver.arrived == {}
        site.worker()
        await delivered(sdk)
        told = await sdk.list_tasks(topic="told", limit=100)
    await sdk.close()
    assert set(receiver.ids_by_task) == set(ids)
    assert set(receiver.arrived.values()) == {1}
    assert receiver.unverified == []
    assert len(told.results) == 20


async def published(sdk: OmniDaemonSDK, task_id: str) -> TaskResult:
    """The result of a reply, which may have to be published first."""
    await eventually(lambda: sdk.get_result(task_id), bool, 20)
    return await sdk.wait_for_result(task_id, timeout=20)


@pytest.mark.parametrize("kind", ["hangs", "is not there"])
async def test_a_receiver_that_does_not_answer_holds_no_task_up(site: Site, kind: str) -> None:
    """Tasks are handled as ever, and what is told to topics goes out, while hundreds of webhooks wait."""
    sdk = site.sdk()

    @sdk.agent("echo", concurrency=10)
    async def echo(payload: object) -> object:
        return payload

    @sdk.agent("told")
    async def told(payload: object) -> None: ...

    is_over = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if kind == "is not there":
        server.close()
    async with sdk:
        await sdk.publish_tasks([("echo", n) for n in range(300)], webhook=f"http://127.0.0.1:{port}/")
        await asyncio.sleep(0.5)
        began = time.monotonic()
        ids = await sdk.publish_tasks([("echo", n) for n in range(100)], reply_to="told")
        for task_id in ids:
            await sdk.wait_for_result(task_id, timeout=20)
        replies = (await sdk.list_webhooks(kind="reply", limit=1000)).webhooks
        for reply in replies:
            assert (await published(sdk, reply.webhook_id)).status == "succeeded"
        took = time.monotonic() - began
        is_over.set()
    server.close()
    assert len(replies) == 100
    assert took < 15.0, "as long as one webhook may take, on a machine that does nothing else"
