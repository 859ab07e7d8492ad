"""Who is let in, and with what."""

from __future__ import annotations

import json

import httpx
import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.api import create_app
from omnidaemon.bootstrap.api_keys import Scope
from omnidaemon.domain.errors import InvalidSetting
from omnidaemon.entrypoints.http.access import GuardedRoute
from omnidaemon.entrypoints.http.routing import router
from omnidaemon.entrypoints.http.scopes import SCOPES
from tests.unit.entrypoints.http.conftest import (
    KEYS,
    OPERATOR,
    PUBLISHER,
    READER,
    caller,
    calling,
    made_sdk,
    problem,
)

# The stream of all events has no end; what is common to all routes is held by the others.
CALLS = sorted((call for call in SCOPES if call != ("GET", "/events")), key=str)


class Untouched:
    """A body that must not be read."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise AssertionError("it was read")


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def concrete(path):
    """The path with values that no task and no agent has."""
    return path.format(topic="nowhere", name="nobody", task_id="none", worker_id="none", webhook_id="none")


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_route_stands_in_the_table():
    """And the table names no other."""
    app = create_app(made_sdk())
    paths = app.openapi()["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert told | {("GET", "/openapi.json")} == set(SCOPES)


def test_a_route_without_a_scope_cannot_be_made():
    """Whoever adds a route says at once who may use it."""
    fresh = router("fresh")
    assert fresh.route_class is GuardedRoute
    with pytest.raises(LookupError, match="GET /fresh has no scope"):

        @fresh.get("/fresh")
        async def get_fresh() -> None: ...


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_keys_against_the_table(guarded, method, path):
    """Without a key 401, with one that lacks the scope 403, and with one that has it neither."""
    scope = SCOPES[method, path]

    async def status(headers):
        return (await guarded.request(method, concrete(path), headers=headers)).status_code

    if scope is None:
        assert await status({}) == 200
        return
    response = await guarded.request(method, concrete(path))
    problem(response, 401, "Unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert await status(bearer(OPERATOR)) not in {401, 403}
    assert (await status(bearer(READER)) == 403) is (scope is not Scope.READ)
    assert (await status(bearer(PUBLISHER)) == 403) is (scope not in {Scope.READ, Scope.PUBLISH})


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic cjpy", f"Basic {READER}", READER])
async def test_no_key_at_all(guarded, sent):
    """What is no bearer token is as good as none."""
    told = problem(await guarded.get("/agents", headers={"Authorization": sent}), 401, "Unauthorized")
    assert "Authorization: Bearer" in told["detail"]


async def test_a_key_that_is_unknown(guarded):
    """Is told apart, as RFC 6750 has it."""
    response = await guarded.get("/agents", headers=bearer(READER[:-1]))
    problem(response, 401, "Unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_key_without_the_scope(guarded):
    """The answer names the scope, and the key by its name alone."""
    response = await guarded.post("/agents/stop", headers=bearer(READER))
    told = problem(response, 403, "InsufficientScope")
    assert told["attributes"] == {"scope": "control", "key": "reader"}
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="control"'
    assert READER not in response.text


async def test_secrets_are_shown_nowhere(guarded):
    """Neither as settings nor by the check-up."""
    for path in ("/config", "/doctor", "/health"):
        text = (await guarded.get(path, headers=bearer(OPERATOR))).text
        assert not [secret for secret in (READER, PUBLISHER, OPERATOR) if secret in text]
    shown = (await guarded.get("/config", headers=bearer(OPERATOR))).json()["OMNIDAEMON_API_KEYS"]["value"]
    assert "reader (read), publisher (read+publish), key-" in shown


async def test_nothing_of_a_body_is_read_before_the_key():
    """Whoever has no key cannot make the server take anything in."""

    async with calling(made_sdk(api_keys=KEYS)) as api:
        response = await api.post("/tasks", content=Untouched(), headers={"Content-Type": "application/json"})
        problem(response, 401, "Unauthorized")


# --- the place --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8765", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8765", "localhost."],
)
async def test_names_of_this_machine(api, host):
    """Are always allowed, with any port."""
    assert (await api.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example:80",
        "",
        ":80",
        "[::2]",
        "0.0.0.0",  # noqa: S104 - nobody binds to it
        "[",
        "a b",
        "me@localhost",
        "@localhost",
        "localhost:x",
        "localhost:80:80",
        "localhost/x",
        "*",
    ],
)
@pytest.mark.parametrize("path", ["/livez", "/tasks", "/nowhere"])
async def test_other_names_are_refused_on_every_path(api, host, path):
    """A page that has rebound a name of its own to this machine gets nothing at all."""
    if host == "localhost@evil.example:80":
        assert (await api.get(path, headers={"Host": host})).status_code == 403
        return
    problem(await api.get(path, headers={"Host": host}), 403, "HostNotAllowed")


async def test_configured_names():
    """Those of the settings, and those that whoever makes the app names."""
    sdk = made_sdk(api_hosts="api.example, Other.Example")
    async with caller(create_app(sdk, hosts=["third.example"])) as api:
        for host, status in (
            ("api.example:80", 200),
            ("other.example", 200),
            ("third.example", 200),
            ("x.example", 403),
        ):
            assert (await api.get("/livez", headers={"Host": host})).status_code == status, host


@pytest.mark.parametrize("call", [("POST", "/agents/stop"), ("POST", "/tasks"), ("DELETE", "/tasks/x")])
async def test_webhooks_change_nothing(api, call):
    """Whoever writes a payload may have named this server in it."""
    problem(await api.request(*call, headers={"webhook-id": "w"}), 403, "NotForWebhooks")
    assert (await api.get("/agents", headers={"webhook-id": "w"})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", "http://127.0.0.1"])
@pytest.mark.parametrize("call", [("POST", "/agents/stop"), ("POST", "/tasks"), ("DELETE", "/tasks/x")])
async def test_pages_of_other_origins_change_nothing(api, call, origin):
    """Whatever they send. What they read, browsers keep from them, since nothing allows it."""
    problem(await api.request(*call, headers={"Origin": origin}), 403, "ForeignOrigin")
    response = await api.get("/agents", headers={"Origin": origin})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8765", "http://localhost:8765"),
        ("localhost:80", "http://localhost"),
        ("localhost", "http://LOCALHOST:80"),
        ("localhost:443", "https://localhost"),
        ("localhost", "https://localhost:443"),
        ("[::1]", "http://[0:0::1]:80"),
    ],
)
async def test_its_own_pages_may_change(api, host, origin):
    """With the same host and port in both headers, whether the usual port is written or not."""
    response = await api.post("/agents/start", headers={"Host": host, "Origin": origin})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://localhost", "https://localhost:80", "ftp://localhost:8765", "localhost:8765"]
)
async def test_another_port_is_another_origin(api, origin):
    """The usual port is that of the origin's scheme."""
    headers = {"Host": "localhost:8765", "Origin": origin}
    problem(await api.post("/agents/start", headers=headers), 403, "ForeignOrigin")


def test_names_that_are_none_are_refused():
    """By whoever makes the app, as in the settings."""
    for host in ("example.org:80", "*", ""):
        with pytest.raises(InvalidSetting):
            create_app(made_sdk(), hosts=[host])


# --- what is sent -----------------------------------------------------------------------------------------------------

GOOD = {"topic": "greet.user", "payload": 1}


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json", "a; application/json"],
)
async def test_a_body_must_say_that_it_is_json(api, content_type):
    """A form of another page could not."""
    headers = {"Content-Type": content_type} if content_type else {}
    problem(await api.post("/tasks", content=json.dumps(GOOD), headers=headers), 415, "NotJsonContent")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_its_names(api, content_type):
    """With parameters, too."""
    response = await api.post("/tasks", content=json.dumps(GOOD), headers={"Content-Type": content_type})
    assert response.status_code == 202


@pytest.mark.parametrize("path", ["/agents/stop", "/agents/greet.user/greeter/start", "/tasks/x/cancel"])
async def test_changes_without_a_body_need_no_type(api, path):
    """As `curl -X POST` sends them; a body that nobody wants must be JSON all the same."""
    assert (await api.post(path)).status_code in {200, 404}
    problem(await api.post(path, content=b"x=1"), 415, "NotJsonContent")


def deep(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"{", "BodyNotJson"),
        (b'{"topic": "greet.user", "payload": NaN}', "BodyNotJson"),
        (b'{"topic": "greet.user", "payload": "\\ud800"}', "PayloadNotJson"),
        (b'{"topic": "greet.user", "payload": 18446744073709551616}', "PayloadNotJson"),
        (b'{"topic": "greet.user", "payload": 1e999}', "PayloadNotJson"),
        (b'{"topic": "greet.user", "payload": "\xff"}', "BodyNotJson"),
        (b'{"topic": "greet.user", "payload": ' + deep(65) + b"}", "BodyNotJson"),
        (deep(20_000), "BodyNotJson"),
        (b"", "InvalidInput"),
        (b"null", "InvalidInput"),
        (b"[]", "InvalidInput"),
        (b"{}", "InvalidInput"),
        (b'{"topic": "greet.user"}', "InvalidInput"),
        (b'{"topic": "greet user", "payload": 1}', "InvalidInput"),
        (b'{"topic": "greet.user\\n", "payload": 1}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "prio": 2}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "delay": "5"}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "delay": -1}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "delay": 1e300}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "due_at": 5}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "due_at": "2030-01-31T12:00:00"}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "due_at": "2030-01-31T12:00:00Z", "delay": 1}', "InvalidValue"),
        (b'{"topic": "greet.user", "payload": 1, "headers": {"a b": "c"}}', "InvalidInput"),
        (b'{"topic": "greet.user", "payload": 1, "idempotency_key": ""}', "InvalidInput"),
    ],
)
async def test_flawed_bodies(api, text, name):
    """Are told what is wrong, never answered with 5xx; what they hold is not repeated."""
    response = await api.post("/tasks", content=text, headers={"Content-Type": "application/json"})
    problem(response, 422, name)
    assert len(response.content) < 3000


async def test_a_payload_as_deep_as_payloads_may_be(api):
    """The object around it does not count."""
    content = b'{"topic": "greet.user", "payload": ' + deep(64) + b"}"
    response = await api.post("/tasks", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 202


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "status=nope", "topic=a%20b", "topc=x"]
)
async def test_flawed_queries(api, query):
    """A parameter that does not exist is one, too."""
    response = await api.get(f"/tasks?{query}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


class TestSizes:
    """No more is read than a payload and a little."""

    def post(self, api, content, **headers):
        headers = {"Content-Type": "application/json", **bearer(PUBLISHER), **headers}
        return api.post("/tasks", content=content, headers=headers)

    async def test_a_payload_above_the_limit(self, guarded):
        """Nothing is published."""
        told = problem(await self.post(guarded, json.dumps({**GOOD, "payload": "x" * 1000})), 413, "PayloadTooLarge")
        assert told["attributes"] == {"size_bytes": 1002, "limit_bytes": 1000}
        assert (await guarded.get("/tasks", headers=bearer(READER))).json()["tasks"] == []

    async def test_a_body_above_the_limit_by_its_length(self, guarded):
        """Refused before any of it is read."""

        response = await self.post(guarded, Untouched(), **{"Content-Length": "100000000"})
        problem(response, 413, "BodyTooLarge")

    async def test_a_body_above_the_limit_in_parts(self, guarded):
        """Without a length it is read up to the limit, and no further."""
        sent = 0

        async def body():
            nonlocal sent
            for _ in range(1000):
                sent += 1
                yield b" " * 1000

        problem(await self.post(guarded, body()), 413, "BodyTooLarge")
        assert sent < 100


class BrokenSDK(OmniDaemonSDK):
    """One with a bug."""

    async def list_agents(self):
        raise RuntimeError("a secret")


async def test_a_bug_tells_nothing():
    """The answer is a problem, the log has the place."""
    async with caller(create_app(BrokenSDK(settings=made_sdk().settings))) as api:
        response = await api.get("/agents")
    problem(response, 500, "InternalError")
    assert "secret" not in response.text


async def test_routes_that_are_not_there(api):
    """And methods that a route does not have."""
    told = problem(await api.get("/docs"), 404, "RouteNotFound")
    assert told["detail"].endswith("; /openapi.json lists what there is")
    response = await api.put("/tasks")
    problem(response, 405, "MethodNotAllowed")
    assert isinstance(response, httpx.Response)
    assert response.headers["allow"] == "GET, HEAD, POST"
