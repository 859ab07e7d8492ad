"""The workers and publishers of these tests: the bus and the store that settings name, under fire."""

from __future__ import annotations

import os

from dependency_injector import providers

from omnidaemon import OmniDaemonSDK
from omnidaemon.adapters.redis import RedisResultStore
from omnidaemon.bootstrap.plugins import load_bus_factory, load_notifier_factory, load_storage_factory
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.ports.backend import StorageFactory
from omnidaemon.testing.chaos.agents import AuditedProgram
from omnidaemon.testing.chaos.under_fire import bus_under_fire, notifier_under_fire, storage_under_fire

settings = load_settings()


def store() -> StorageFactory:
    """That of the settings; on a server of its own where the bus's is another one."""
    url = os.environ.get("CHAOS_STORE_URL")
    return RedisResultStore(redis_url=url) if url else load_storage_factory(settings.result_store_type)


sdk = OmniDaemonSDK(
    settings=settings,
    event_bus=bus_under_fire(load_bus_factory(settings.event_bus_type)),
    result_store=storage_under_fire(store()),
)
sdk.container.notifier_factory.override(providers.Object(notifier_under_fire(load_notifier_factory(settings.notifier))))
program = AuditedProgram(sdk)

if __name__ == "__main__":
    program.main()
