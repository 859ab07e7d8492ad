"""Tasks by HTTP: published, read, ordered about; dead letters."""

from __future__ import annotations

import asyncio
import json

import pytest

from omnidaemon.api import create_app
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.http.request_errors import TooBusy
from omnidaemon.entrypoints.http.wait_limit import WaitLimit
from omnidaemon.testing.patience import eventually
from tests.unit.entrypoints.http.conftest import caller, calling, made_sdk, problem


async def published(api, topic="greet.user", payload="Alice", **more):
    """The id of a task."""
    response = await api.post("/tasks", json={"topic": topic, "payload": payload, **more})
    assert response.status_code == 202, response.text
    return response.json()["task_id"]


async def ended(api, task_id):
    """The task, once it has ended."""
    told = (await api.get(f"/tasks/{task_id}", params={"wait": 20})).json()
    assert told["status"] in {"succeeded", "dead", "cancelled", "skipped"}, told
    return told


async def test_a_task_and_its_result(api, sdk):
    """In the shape that the command line prints."""
    response = await api.post("/tasks", json={"topic": "greet.user", "payload": "Alice"})
    assert response.status_code == 202
    assert response.json() == {"task_id": response.json()["task_id"], "status": "queued"}
    told = await ended(api, response.json()["task_id"])
    assert told["result"] == {"reply": "Hello, Alice!"}
    assert told == shapes.task_result(await sdk.get_result(told["task_id"]))


@pytest.mark.parametrize(
    "payload", [None, True, 0, 2**64 - 1, -(2**63), 1.5e300, "", "ü\u0000\U0001f600", [], {"": {}}]
)
async def test_every_json_value_is_a_payload(api, payload):
    """And comes back as it was."""
    task_id = await published(api, "echo", payload)
    assert (await api.get(f"/tasks/{task_id}/details")).json()["payload"] == payload


async def test_all_that_may_be_said_of_a_task(api):
    """Goes along with it."""
    said = {
        "due_at": "2030-01-31T12:00:00+01:00",
        "correlation_id": "c",
        "causation_id": "b",
        "idempotency_key": "k",
        "headers": {"tenant": "t"},
    }
    task_id = await published(api, **said)
    told = (await api.get(f"/tasks/{task_id}/details")).json()
    assert told["status"] == "scheduled"
    assert {name: told[name] for name in said} == {**said, "due_at": "2030-01-31T11:00:00+00:00"}


async def test_a_delayed_one_is_scheduled(api):
    """And the receipt says so."""
    response = await api.post("/tasks", json={"topic": "greet.user", "payload": 1, "delay": 100})
    assert response.json()["status"] == "scheduled"


class TestIdempotencyKeys:
    """In the body or as a header."""

    async def test_the_same_key_gives_the_same_task(self, api):
        """Whichever way it came."""
        first = await published(api, idempotency_key="k")
        body = {"topic": "greet.user", "payload": "Alice"}
        again = await api.post("/tasks", json=body, headers={"Idempotency-Key": "k"})
        assert again.json()["task_id"] == first

    async def test_the_receipt_says_how_it_stands(self, api):
        """Of a task that was published before: it may have ended long ago, or not be due."""
        body = {"topic": "greet.user", "payload": "Alice", "idempotency_key": "k"}
        await ended(api, (await api.post("/tasks", json=body)).json()["task_id"])
        again = (await api.post("/tasks", json=body)).json()
        assert again["status"] == "succeeded"
        assert again["known_since"] == (await api.get(f"/tasks/{again['task_id']}")).json()["created_at"]
        assert (await api.post("/tasks", json={**body, "delay": 100})).json()["status"] == "succeeded"
        later = {**body, "idempotency_key": "l"}
        new = (await api.post("/tasks", json={**later, "delay": 100})).json()
        assert (new["status"], "known_since" in new) == ("scheduled", False)
        assert (await api.post("/tasks", json=later)).json()["status"] == "scheduled"

    async def test_the_task_is_published_whatever_the_store_says_of_it(self, api, sdk, monkeypatch):
        """How it stands is told as it was published, then."""
        first = await published(api, idempotency_key="k")

        async def away(task_ids):
            raise BackendUnavailable("redis", "redis://nowhere", "connection refused")

        monkeypatch.setattr((await sdk.runtime()).storage.queries, "records", away)
        body = {"topic": "greet.user", "payload": "Alice", "idempotency_key": "k"}
        told = (await api.post("/tasks", json=body)).json()
        assert (told["task_id"], told["status"]) == (first, "queued")

    async def test_another_payload_is_a_conflict(self, api):
        """That names the task which has the key."""
        first = await published(api, idempotency_key="k")
        response = await api.post("/tasks", json={"topic": "greet.user", "payload": "Bob", "idempotency_key": "k"})
        assert problem(response, 409, "IdempotencyConflict")["attributes"] == {"key": "k", "task_id": first}

    async def test_two_different_ones(self, api):
        """Cannot both be meant."""
        body = {"topic": "greet.user", "payload": 1, "idempotency_key": "a"}
        problem(await api.post("/tasks", json=body, headers={"Idempotency-Key": "b"}), 422, "InvalidValue")


async def test_a_known_task_is_200_whatever_its_status(sdk):
    """Also when a wait was in vain."""
    async with calling(made_sdk()) as api:
        task_id = await published(api)
        for query in ("", "?wait=0.01", "?wait=0"):
            response = await api.get(f"/tasks/{task_id}{query}")
            assert (response.status_code, response.json()["status"]) == (200, "queued")


@pytest.mark.parametrize("task_id", ["unknown", "a b", "%2e%2e", "ü", "x" * 300])
@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "?wait=0.1"),
        ("GET", "/details"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/requeue"),
        ("DELETE", ""),
    ],
)
async def test_unknown_tasks(api, method, tail, task_id):
    """Are 404, by any call."""
    problem(await api.request(method, f"/tasks/{task_id}{tail}"), 404, "TaskNotFound")


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "x"])
async def test_waits_are_bounded(api, wait):
    """To a minute."""
    problem(await api.get(f"/tasks/x?wait={wait}"), 422, "InvalidInput")


async def test_cancel_requeue_delete():
    """Each answers the task as it stands then, and what does not fit is a conflict."""
    async with calling(made_sdk()) as api:
        task_id = await published(api)
        problem(await api.post(f"/tasks/{task_id}/requeue"), 409, "WrongState")
        assert (await api.post(f"/tasks/{task_id}/cancel")).json()["status"] == "cancelled"
        problem(await api.post(f"/tasks/{task_id}/cancel"), 409, "WrongState")
        # The next worker publishes it anew.
        assert (await api.post(f"/tasks/{task_id}/requeue")).json()["status"] == "scheduled"
        response = await api.delete(f"/tasks/{task_id}")
        assert (response.status_code, response.content) == (204, b"")
        problem(await api.get(f"/tasks/{task_id}"), 404, "TaskNotFound")


async def test_one_agents_part(api):
    """Is asked for by its name; one that has nothing to do with the task is unknown."""
    task_id = await published(api)
    await ended(api, task_id)
    assert (await api.get(f"/tasks/{task_id}?agent=greeter")).json()["agent"] == "greeter"
    problem(await api.get(f"/tasks/{task_id}?agent=other"), 404, "TaskNotFound")
    problem(await api.post(f"/tasks/{task_id}/requeue?agent=other"), 404, "TaskNotFound")


async def test_lists_by_pages(api):
    """Newest first; following the cursors gives each once."""
    ids = [await published(api, "echo", number) for number in range(5)]
    seen, cursor = [], None
    while True:
        page = (
            await api.get("/tasks", params={"topic": "echo", "limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [task["task_id"] for task in page["tasks"]]
        if (cursor := page["cursor"]) is None:
            break
    assert seen == ids[::-1]


async def test_lists_by_status_and_agent(api):
    """What matches alone."""
    await ended(api, await published(api))
    dead = await published(api, "fails")
    await ended(api, dead)
    for query, found in (("status=dead", [dead]), ("agent=failing", [dead]), ("status=running", [])):
        assert [task["task_id"] for task in (await api.get(f"/tasks?{query}")).json()["tasks"]] == found


async def test_a_wait_in_vain_looks_for_no_reason(sdk, monkeypatch):
    """That takes all agents, the answer has no place for it, and who waits asks again and again."""

    async def list_agents():
        raise AssertionError

    monkeypatch.setattr(sdk, "list_agents", list_agents)
    async with calling(sdk) as api:
        task_id = await published(api, "nobody.listens")
        told = (await api.get(f"/tasks/{task_id}", params={"wait": 0.05})).json()
    assert told["status"] == "queued"


async def test_no_more_wait_than_so_many(sdk):
    """Who comes then is told to come later, and whoever does not wait is answered; a place is free again afterwards."""
    app = create_app(sdk)
    app.state.waits = WaitLimit(1)
    async with caller(app) as api:
        held, other = [await published(api, topic="nowhere") for _ in range(2)]
        waiting = asyncio.create_task(api.get(f"/tasks/{held}?wait=20"))

        async def is_full():
            return _is_full(app.state.waits)

        await eventually(is_full)
        response = await api.get(f"/tasks/{other}?wait=0.01")
        problem(response, 503, "TooBusy")
        assert "retry-after" in response.headers
        assert (await api.get(f"/tasks/{other}")).status_code == 200
        await sdk.cancel_task(held)
        assert (await waiting).json()["status"] == "cancelled"
        assert (await api.get(f"/tasks/{other}?wait=0.01")).status_code == 200


def _is_full(waits):
    try:
        with waits.slot():
            return False
    except TooBusy:
        return True


class TestDeadLetters:
    """Looked at, run again, removed."""

    async def test_requeue_and_purge(self, api):
        """Those named, or all of them."""
        ids = [await published(api, "fails", number) for number in range(3)]
        for task_id in ids:
            told = await ended(api, task_id)
            assert told["error"]["type"] == "ValueError"
        listed = (await api.get("/dead-letters?topic=fails")).json()["tasks"]
        assert [task["task_id"] for task in listed] == ids[::-1]

        response = await api.post("/dead-letters/requeue", json={"topic": "fails", "task_ids": [ids[0]]})
        run = {"task_id": ids[0], "agent": "failing"}
        assert response.json() == {"task_ids": [ids[0]], "runs": [run], "failed": [], "cursor": None}
        await ended(api, ids[0])
        problem(await api.post(f"/tasks/{ids[0]}/cancel"), 409, "WrongState")

        response = await api.post("/dead-letters/purge", json={"topic": "fails", "all": True})
        assert sorted(response.json()["task_ids"]) == sorted(ids)
        assert (await api.get("/dead-letters")).json() == {"tasks": [], "cursor": None}

    async def test_all_of_them_in_steps(self, api):
        """As many as were asked for; the cursor goes on."""
        ids = [await published(api, "fails", number) for number in range(3)]
        for task_id in ids:
            await ended(api, task_id)
        body = {"topic": "fails", "all": True, "limit": 2.0}  # as JSON may write a whole number
        first = (await api.post("/dead-letters/purge", json=body)).json()
        assert first["task_ids"] == [ids[2], ids[1]]
        rest = (await api.post("/dead-letters/purge", json={**body, "cursor": first["cursor"]})).json()
        assert (rest["task_ids"], rest["cursor"]) == ([ids[0]], None)

    async def test_only_while_it_is_dead(self, api):
        """A requeue that was meant for a dead letter does not run once more what has ended well."""
        task_id = await published(api)
        await ended(api, task_id)
        told = problem(await api.post(f"/tasks/{task_id}/requeue?only_dead=true"), 409, "WrongState")
        assert told["attributes"]["state"] == "succeeded, no dead letter"

    @pytest.mark.parametrize("deed", ["requeue", "purge"])
    async def test_one_that_is_none(self, api, deed):
        """Keeps everything as it is."""
        task_id = await published(api)
        await ended(api, task_id)
        response = await api.post(f"/dead-letters/{deed}", json={"topic": "greet.user", "task_ids": [task_id]})
        problem(response, 404, "NoDeadLetter")

    @pytest.mark.parametrize("choice", [{}, {"task_ids": []}, {"task_ids": ["a"], "all": True}])
    async def test_a_choice_is_needed(self, api, choice):
        """Some or all, never by leaving something out."""
        problem(await api.post("/dead-letters/purge", json={"topic": "fails", **choice}), 422, "NoChoice")


async def test_what_agents_return_cannot_break_the_answer(api):
    """Text that would end a line or a string is carried as JSON carries it."""
    task_id = await published(api, payload='"}\n\u2028<script>')
    assert (
        json.loads((await api.get(f"/tasks/{task_id}?wait=20")).text)["result"]["reply"] == 'Hello, "}\n\u2028<script>!'
    )
