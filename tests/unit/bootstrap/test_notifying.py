"""What the notifier of a worker is made of."""

from __future__ import annotations

import pytest
from dependency_injector import providers

from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.notifying import is_loopback, made_notifier
from omnidaemon.ports.bus import BusCapabilities
from omnidaemon.ports.notifier import NotifierContext
from omnidaemon.ports.storage import StorageCapabilities
from omnidaemon.testing.notifier import RecordingNotifier

SECRET = "whsec_" + "QUJD" * 8
BUS = BusCapabilities(name="here", is_host_local=True)
STORE = StorageCapabilities(name="here", is_host_local=True)


def test_a_notifier_gets_what_the_settings_say(load):
    """The factory is the one that is named; an option of its own comes from the same places."""
    contexts: list[NotifierContext] = []
    container = Container(
        settings=load(OMNIDAEMON_WEBHOOK_SECRET=SECRET, OMNIDAEMON_WEBHOOK_ALLOW="10.0.0.0/8", ACME_URL="x")
    )

    def factory(context):
        contexts.append(context)
        return RecordingNotifier()

    container.notifier_factory.override(providers.Object(factory))
    assert isinstance(container.notifier(bus=BUS, storage=STORE), RecordingNotifier)
    (context,) = contexts
    assert [secret.reveal() for secret in context.secrets] == [SECRET]
    assert (context.allowed, context.is_loopback_allowed, context.option("ACME_URL")) == (("10.0.0.0/8",), True, "x")


@pytest.mark.parametrize(
    ("settings", "bus", "storage"),
    [
        ({}, BusCapabilities(name="redis_stream"), STORE),
        ({}, BUS, StorageCapabilities(name="redis")),
        ({"api_host": "0.0.0.0"}, BUS, STORE),  # noqa: S104 - nobody binds to it
        ({"api_hosts": "api.example.org"}, BUS, STORE),
        ({"api_keys": "k" * 32}, BUS, STORE),
    ],
    ids=["bus", "store", "API", "proxy", "keys"],
)
def test_webhooks_may_not_go_to_this_machine_where_others_can_publish(load, settings, bus, storage):
    """By a server, by the API, or by a proxy before the API: then a setting has to name it."""
    contexts: list[NotifierContext] = []

    def factory(context):
        contexts.append(context)
        return RecordingNotifier()

    made_notifier(factory, load(settings), bus, storage)
    made_notifier(factory, load(OMNIDAEMON_API_PORT="80"), BUS, STORE)
    assert [context.is_loopback_allowed for context in contexts] == [False, True]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_what_only_this_machine_reaches(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "*", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org"],  # noqa: S104 - nobody binds to it
)
def test_what_others_reach_too(host):
    assert not is_loopback(host)
