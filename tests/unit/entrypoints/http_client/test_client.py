"""Each call through the API gives what it gives without."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest

from omnidaemon.bootstrap.api_address import ApiAddress
from omnidaemon.domain.errors import (
    AgentInUse,
    AgentNotFound,
    BackendUnavailable,
    BackendUnusable,
    IdempotencyConflict,
    InvalidInput,
    InvalidName,
    InvalidValue,
    NotificationNotFound,
    PayloadNotJson,
    PayloadTooLarge,
    TaskNotFound,
    WaitTimedOut,
    WorkerNotFound,
    WrongState,
)
from omnidaemon.domain.secret import Secret
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.http.request_errors import BodyTooLarge
from omnidaemon.entrypoints.http_client.client import HttpClient
from omnidaemon.entrypoints.http_client.connection import ApiConnection
from omnidaemon.entrypoints.operations import Operations
from omnidaemon.testing.patience import eventually
from tests.unit.entrypoints.http_client.conftest import connected


def test_both_clients_have_every_operation():
    """What the commands are made of; mypy holds their signatures alike."""
    names = [name for name in vars(Operations) if not name.startswith("_")]
    assert len(names) > 20
    for name in names:
        assert callable(getattr(Client, name)), name
        assert callable(getattr(HttpClient, name)), name


async def test_a_task_is_the_same_from_both_sides(sdk, client):
    """Published there, ended here: its result, its place in the list, everything about it."""
    task_id = await client.publish_task(
        "greet", {"name": "Åda"}, headers={"a": "b"}, idempotency_key="k", correlation_id="c", causation_id="d"
    )
    result = await client.wait_for_result(task_id, timeout=10)
    assert await client.get_result(task_id, "greeter") == await sdk.get_result(task_id, "greeter") == result.runs[0]
    assert result.result == {"hello": {"name": "Åda"}}
    assert await client.get_result(task_id) == await sdk.get_result(task_id)
    assert await client.list_tasks(topic="greet") == await sdk.list_tasks(topic="greet")
    assert await client.get_task(task_id) == await sdk.get_task(task_id)
    with pytest.raises(IdempotencyConflict):
        await client.publish_task("greet", "other", idempotency_key="k")


async def test_the_fleet_is_the_same_from_both_sides(sdk, client):
    """Agents, workers, topics, metrics, health."""
    await client.wait_for_result(await client.publish_task("greet", 1), timeout=10)
    for call in ("list_agents", "topics", "metrics"):
        assert await getattr(client, call)() == await getattr(sdk, call)(), call
    assert (await client.health()).status == (await sdk.health()).status == "degraded"
    assert await client.get_agent("greet", "greeter") == await sdk.get_agent("greet", "greeter")
    (ours,), (theirs,) = await sdk.list_workers(), await client.list_workers()
    assert ours.report.incarnation == theirs.report.incarnation
    assert {shown.name for shown in await client.settings()} >= {"EVENT_BUS_TYPE"}
    assert {finding.about for finding in await client.examine()} >= {"settings", "bus and store"}


async def test_webhooks_and_replies_are_the_same_from_both_sides(sdk, client):
    """Listed with their attempts, by each of the filters; sent again."""
    task_id = await client.publish_task("greet", 1, reply_to="heard")
    await client.wait_for_result(task_id, timeout=10)
    await eventually(
        lambda: sdk.list_webhooks(task_id=task_id, status="delivered"), is_wanted=lambda page: page.webhooks
    )
    page = await client.list_webhooks(task_id=task_id)
    assert page == await sdk.list_webhooks(task_id=task_id)
    (reply,) = page.webhooks
    assert (reply.kind, reply.target, reply.status, len(reply.attempts)) == ("reply", "heard", "delivered", 1)
    for wanted, found in [
        ({"kind": "reply"}, 1),
        ({"kind": "webhook"}, 0),
        ({"topic": "x"}, 0),
        ({"status": "failed"}, 0),
    ]:
        listed = await client.list_webhooks(**wanted)
        assert (len(listed.webhooks), listed) == (found, await sdk.list_webhooks(**wanted)), wanted
    await client.redeliver_webhook(reply.webhook_id)
    await eventually(client.list_webhooks, is_wanted=lambda page: len(page.webhooks[0].attempts) == 2)


async def test_all_of_a_topic_is_purged(sdk, client):
    """Though the server does a part for each request."""
    await sdk.publish_tasks([("unheard", number) for number in range(1100)])
    assert await client.purge_topic("unheard") == 1100
    assert (await client.list_tasks(topic="unheard", status="queued")).results == ()


async def test_orders_are_carried_out(sdk, client):
    """Agents stopped, started and removed; tasks cancelled, requeued and deleted; topics purged; workers drained."""
    await client.stop_agent("greet", "greeter")
    assert (await sdk.get_agent("greet", "greeter")).status == "stopped"
    await client.start_agent("greet", "greeter")
    await client.stop_all_agents()
    assert {agent.status for agent in await client.list_agents()} == {"stopped"}
    # To nobody: a worker that has not heard of the stop yet would begin it when it is requeued.
    task_id = await client.publish_task("unheard", 1, delay=timedelta(hours=1))
    later = await client.publish_task("greet", 1, due_at=datetime.now(UTC) + timedelta(hours=1))
    assert (await client.get_result(later)).status == "scheduled"
    await client.cancel_task(task_id)
    with pytest.raises(WrongState):
        await client.cancel_task(task_id)
    with pytest.raises(WrongState, match="no dead letter"):
        await client.requeue_task(task_id, only_dead=True)
    await client.requeue_task(task_id)
    await client.delete_task(task_id)
    assert await client.get_result(task_id) is await client.get_task(task_id) is None
    assert await client.purge_topic("nobody") == 0
    with pytest.raises(AgentInUse, match="a live worker runs agent 'greeter'"):
        await client.remove_agent("greet", "greeter")
    assert await client.remove_agent("greet", "greeter", force=True) == 0
    await client.start_all_agents()
    (worker,) = await client.list_workers()
    await client.drain_worker(worker.report.incarnation)
    await client.drain_all_workers()
    assert await asyncio.wait_for(sdk.worker.wait(), 10) == 0
    with pytest.raises(WorkerNotFound):
        await client.drain_worker(worker.report.incarnation)


UNPUBLISHABLE: list[tuple[type[InvalidInput], dict[str, Any]]] = [
    (InvalidName, {"topic": "gr/eet"}),
    (InvalidName, {"topic": 7}),
    (InvalidName, {"topic": "t" * 201}),
    (InvalidValue, {"delay": -1}),
    (InvalidValue, {"delay": timedelta(seconds=-1)}),
    (InvalidValue, {"delay": float("nan")}),
    (InvalidValue, {"delay": float("inf")}),
    (InvalidValue, {"delay": True}),
    (InvalidValue, {"delay": "5"}),
    (InvalidValue, {"delay": Decimal(5)}),
    (InvalidValue, {"delay": 1e11}),
    (InvalidValue, {"delay": 10**400}),
    (InvalidValue, {"delay": timedelta.max}),
    (InvalidValue, {"delay": 1, "due_at": datetime(2030, 1, 1, tzinfo=UTC)}),
    (InvalidValue, {"due_at": "2030-01-31T12:00:00Z"}),
    (InvalidValue, {"due_at": datetime(2030, 1, 1)}),  # noqa: DTZ001 - without a zone
    (InvalidValue, {"due_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))}),
    (InvalidValue, {"idempotency_key": ""}),
    (InvalidValue, {"idempotency_key": "k" * 1001}),
    (InvalidValue, {"correlation_id": 7}),
    (InvalidValue, {"causation_id": "\ud800"}),
    (InvalidValue, {"headers": ["a"]}),
    (InvalidValue, {"headers": {"a": "b" * 1001}}),
    (InvalidName, {"headers": {"a b": "c"}}),
    (InvalidValue, {"webhook": "ftp://example.org"}),
    (InvalidValue, {"payload": {"webhook": 7}}),
    (InvalidName, {"reply_to": "no topic"}),
    (InvalidName, {"payload": {"reply_to": "no topic"}}),
]
UNHEARABLE: list[dict[str, Any]] = [
    {"after": -1},
    {"after": 2**63},
    {"after": "7"},
    {"after": True},
    {"task_id": "t" * 300},
    {"topic": "t" * 201},
    {"topic": "\ud800"},
]


def publishing(**options):
    """The call that publishes so."""
    topic, payload = options.pop("topic", "greet"), options.pop("payload", 1)
    return lambda client: client.publish_task(topic, payload, **options)


def listening(**options):
    """The call that listens so."""

    async def listen(client):
        await client.events(**options).open()

    return listen


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (TaskNotFound, lambda client: client.wait_for_result("nope")),
        (TaskNotFound, lambda client: client.wait_for_result("no/pe")),
        (TaskNotFound, lambda client: client.cancel_task("nope")),
        (TaskNotFound, lambda client: client.delete_task("no pe")),
        (AgentNotFound, lambda client: client.get_agent("greet", "nobody")),
        (AgentNotFound, lambda client: client.stop_agent("..", ".")),
        (InvalidName, lambda client: client.get_agent("gr eet", "nobody")),
        (InvalidName, lambda client: client.list_tasks(topic="gr eet")),
        (InvalidName, lambda client: client.remove_agent("greet", "greeter", "a b")),
        (InvalidValue, lambda client: client.list_tasks(limit=0)),
        (InvalidValue, lambda client: client.list_tasks(status="done")),
        (InvalidValue, lambda client: client.list_tasks(cursor="x")),
        (NotificationNotFound, lambda client: client.redeliver_webhook("nope")),
        (NotificationNotFound, lambda client: client.redeliver_webhook("no pe")),
        (InvalidName, lambda client: client.list_webhooks(task_id="no pe")),
        (InvalidValue, lambda client: client.list_webhooks(kind="letter")),
        (InvalidValue, lambda client: client.list_webhooks(status="lost")),
        *((kind, publishing(**options)) for kind, options in UNPUBLISHABLE),
        *((InvalidValue, listening(**options)) for options in UNHEARABLE),
        (InvalidValue, lambda client: client.list_tasks(limit=True)),
        (TaskNotFound, lambda client: client.get_result("nope", "a" * 201)),
        (TaskNotFound, lambda client: client.cancel_task("n" * 300, "greeter")),
        (TaskNotFound, lambda client: client.requeue_task("nope", "no pe")),
        (PayloadNotJson, lambda client: client.publish_task("greet", float("nan"))),
        (PayloadNotJson, lambda client: client.publish_task("greet", {"a": object()})),
        (PayloadNotJson, lambda client: client.publish_task("greet", "\ud800")),
        (PayloadNotJson, lambda client: client.publish_task("greet", {1: 2})),
        (PayloadNotJson, lambda client: client.publish_task("greet", {None: 1})),
        (PayloadNotJson, lambda client: client.publish_task("greet", {"a": [2**64]})),
        (PayloadNotJson, lambda client: client.publish_task("greet", nested(65))),
        (PayloadTooLarge, lambda client: client.publish_task("greet", "é" * 2**19)),
        (PayloadTooLarge, lambda client: client.publish_task("greet", "x" * 2**21)),
    ],
)
async def test_mistakes_are_the_same_errors_on_both_sides(sdk, client, error, call):
    """With the same message, where it is not the API's own."""
    with pytest.raises(error) as here:
        await call(sdk)
    with pytest.raises(error) as there:
        await call(client)
    if not isinstance(there.value, BodyTooLarge):
        assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


async def test_a_payload_is_as_large_as_without_the_api(sdk, client):
    """What is not ASCII is no larger on the way than in UTF-8; as deep, and as exact."""
    for payload in (
        "é" * (2**19 - 1),
        "\U0001f600" * (2**18 - 1),
        nested(64),
        [2**64 - 1, -0.0, 1e300, (), {"": None}],
    ):
        ours, theirs = [await each.publish_task("nobody", payload) for each in (sdk, client)]
        assert (await sdk.get_task(theirs)).payload == (await sdk.get_task(ours)).payload


def nested(levels):
    """A payload of so many lists in one another."""
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


async def test_a_strange_agent_is_an_error_and_an_unknown_task_is_none(sdk, client):
    """As without the API."""
    task_id = await client.publish_task("greet", 1)
    for each in (sdk, client):
        assert await each.get_result("nope") is None
        assert await each.get_result("no pe") is None
        with pytest.raises(TaskNotFound, match="stranger"):
            await each.get_result(task_id, "stranger")
        with pytest.raises(TaskNotFound):
            await each.get_result(task_id, "no name")


async def test_a_wait_ends_in_time(client):
    """With how far the task is; at once where nothing is to be waited for."""
    task_id = await client.publish_task("nobody.listens", 1)
    with pytest.raises(WaitTimedOut, match=r"after 200 ms"):
        await client.wait_for_result(task_id, timeout=0.2)
    with pytest.raises(WaitTimedOut):
        await client.wait_for_result(task_id, timeout=0)


async def test_a_server_that_goes_away_during_a_wait_is_waited_for(client, sdk):
    """Not one that was never there; and not for longer than the wait."""
    task_id = await client.publish_task("greet", 1)
    await sdk.wait_for_result(task_id, timeout=10)
    ended = (await client._connection._http.get(f"/tasks/{task_id}")).json()
    answers = [{**ended, "status": "running"}, None, ended]

    def answer(_):
        told = answers.pop(0)
        if told is None:
            raise httpx.ConnectError("gone")
        return httpx.Response(200, json=told)

    assert (await HttpClient(connected(answer)).wait_for_result(task_id, timeout=20)).status == "succeeded"
    answers = [None]
    with pytest.raises(BackendUnavailable):
        await HttpClient(connected(answer)).wait_for_result(task_id, timeout=20)


# --- what is not there, or is something else --------------------------------------------------------------------------


def fails(error):
    """Answers by raising."""

    def answer(_):
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (fails(httpx.ConnectError("x")), BackendUnavailable, ["cannot be reached", "omni run", "from the test"]),
        (fails(httpx.ConnectTimeout("x")), BackendUnavailable, ["nobody answers"]),
        (fails(httpx.ReadTimeout("x")), BackendUnavailable, ["too long"]),
        (fails(httpx.RemoteProtocolError("x")), BackendUnavailable, ["hung up"]),
        (lambda _: httpx.Response(404, text="<html>"), BackendUnusable, ["HTTP 404", "same version"]),
        (lambda _: httpx.Response(302, headers={"location": "/x"}), BackendUnusable, ["HTTP 302"]),
        (lambda _: httpx.Response(200, text="<html>"), BackendUnusable, ["GET /agents with something else"]),
        (lambda _: httpx.Response(200, json=[{"topic": "x"}]), BackendUnusable, ["something else"]),
        (lambda _: httpx.Response(200, json=7), BackendUnusable, ["something else"]),
    ],
)
async def test_what_is_no_api_is_told_with_its_url(answer, kind, words):
    """And with what to do."""
    client = HttpClient(connected(answer))
    with pytest.raises(kind) as raised:
        await client.list_agents()
    for word in ("API at http://127.0.0.1:8765", *words):
        assert word in str(raised.value)


async def test_the_key_is_sent_and_never_shown():
    """As a bearer, also where the URL has a user; neither is told to anybody else."""
    seen = []

    def answer(request):
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json=[])

    address = ApiAddress(url="http://me:pass@127.0.0.1:1", key=Secret("s3cret"), origin="x")
    connection = ApiConnection(address, httpx.MockTransport(answer))
    await HttpClient(connection).list_agents()
    assert seen == ["Bearer s3cret"]
    assert "s3cret" not in repr(address)
    assert "pass" not in connection.location
