"""What the notifier of a worker is made of."""

from __future__ import annotations

import pytest
from dependency_injector import providers

from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.notifying import is_loopback
from omnidaemon.ports.notifier import NotifierContext
from omnidaemon.testing.notifier import RecordingNotifier

SECRET = "whsec_" + "QUJD" * 8


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
    assert isinstance(container.notifier(), RecordingNotifier)
    (context,) = contexts
    assert [secret.reveal() for secret in context.secrets] == [SECRET]
    assert (context.allowed, context.is_loopback_allowed, context.option("ACME_URL")) == (("10.0.0.0/8",), True, "x")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_what_only_this_machine_reaches(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org"])  # noqa: S104
def test_what_others_reach_too(host):
    assert not is_loopback(host)
