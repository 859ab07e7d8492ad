"""What a notifier is made of."""

from __future__ import annotations

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.ports.notifier import Notifier, NotifierContext, NotifierFactory


def made_notifier(factory: NotifierFactory, settings: Settings) -> Notifier:
    """The notifier that the factory makes for these settings, not entered."""
    return factory(
        NotifierContext(
            secrets=settings.webhook_secret,
            allowed=settings.webhook_allow,
            is_loopback_allowed=allows_loopback(settings),
            option=settings.option,
        )
    )


def allows_loopback(settings: Settings) -> bool:  # noqa: ARG001 - there is no address yet that others could reach
    """Whether webhooks may go to this machine. While nobody but its own users can publish, they may: whoever publishes
    can reach it anyway."""
    return True
