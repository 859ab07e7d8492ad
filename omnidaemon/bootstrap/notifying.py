"""What a notifier is made of."""

from __future__ import annotations

from ipaddress import ip_address

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.ports.bus import BusCapabilities
from omnidaemon.ports.notifier import Notifier, NotifierContext, NotifierFactory
from omnidaemon.ports.storage import StorageCapabilities


def made_notifier(
    factory: NotifierFactory, settings: Settings, bus: BusCapabilities, storage: StorageCapabilities
) -> Notifier:
    """The notifier that the factory makes for these settings, a bus and a storage; not entered.

    Webhooks may go to this machine by themselves while nobody but its own users can publish: they can reach it anyway.
    """
    return factory(
        NotifierContext(
            secrets=settings.webhook_secret,
            allowed=settings.webhook_allow,
            is_loopback_allowed=_is_shut_in(settings, bus, storage),
            option=settings.option,
        )
    )


def _is_shut_in(settings: Settings, bus: BusCapabilities, storage: StorageCapabilities) -> bool:
    """Whether tasks come from this machine alone. A bus that others reach brings theirs, a store their delayed ones; an
    API on loopback does when something passes requests on to it, and then it has keys or further names."""
    is_api_public = bool(settings.api_keys or settings.api_hosts) or not is_loopback(settings.api_host)
    return bus.is_host_local and storage.is_host_local and not is_api_public


def is_loopback(host: str) -> bool:
    """Whether what listens on this host is heard on this machine alone. An empty one and `*` mean every address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
