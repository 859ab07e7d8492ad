"""What a notifier is made of."""

from __future__ import annotations

from ipaddress import ip_address

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.ports.notifier import Notifier, NotifierContext, NotifierFactory


def made_notifier(factory: NotifierFactory, settings: Settings) -> Notifier:
    """The notifier that the factory makes for these settings, not entered.

    Webhooks may go to this machine while nobody but its own users can publish over the network: they can reach it
    anyway. Once the API's own host is another address, they may not.
    """
    return factory(
        NotifierContext(
            secrets=settings.webhook_secret,
            allowed=settings.webhook_allow,
            is_loopback_allowed=is_loopback(settings.api_host),
            option=settings.option,
        )
    )


def is_loopback(host: str) -> bool:
    """Whether what listens on this host is heard on this machine alone. An empty one and `*` mean every address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
