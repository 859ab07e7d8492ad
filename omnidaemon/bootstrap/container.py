"""The composition root: what is made of what. Nothing but entrypoints and this layer knows it."""

from __future__ import annotations

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.system import SystemClock, Uuid7Ids
from omnidaemon.adapters.telemetry.loguru_telemetry import LoguruTelemetry
from omnidaemon.bootstrap.injection import containers, providers
from omnidaemon.bootstrap.notifying import made_notifier
from omnidaemon.bootstrap.plugins import load_bus_factory, load_notifier_factory, load_storage_factory
from omnidaemon.bootstrap.runtime import Runtime
from omnidaemon.bootstrap.settings import Settings
from omnidaemon.domain.webhook_policy import WebhookPolicy
from omnidaemon.ports.backend import BackendContext, BusFactory, SharedObjects, StorageFactory
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage


def _context(settings: Settings, clock: Clock, ids: IdSource, codec: Codec, shared: SharedObjects) -> BackendContext:
    return BackendContext(
        namespace=settings.namespace,
        data_dir=settings.data_dir,
        clock=clock,
        ids=ids,
        codec=codec,
        shared=shared,
        option=settings.option,
    )


def _bus(factory: BusFactory, context: BackendContext) -> EventBus:
    return factory(context)


def _storage(factory: StorageFactory, context: BackendContext) -> Storage:
    return factory(context)


class Container(containers.DeclarativeContainer):
    """A synchronous graph: making any of it does no I/O. Entering a `runtime` opens the adapters.

    `bus` and `storage` are made anew for each runtime, since a runtime belongs to one event loop; what they may share,
    such as the one writer of a SQLite file, is in `shared`. Only the chosen backends are imported.
    """

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(Uuid7Ids)
    codec = providers.Singleton(JsonCodec)
    telemetry = providers.Singleton(LoguruTelemetry)
    shared = providers.Singleton(SharedObjects)
    context = providers.Singleton(_context, settings, clock, ids, codec, shared)

    bus_factory = providers.Singleton(
        load_bus_factory, settings.provided.event_bus_type, settings.provided.origins.get.call("event_bus_type")
    )
    storage_factory = providers.Singleton(
        load_storage_factory,
        settings.provided.result_store_type,
        settings.provided.origins.get.call("result_store_type"),
    )
    bus = providers.Factory(_bus, bus_factory, context)
    storage = providers.Factory(_storage, storage_factory, context)

    notifier_factory = providers.Singleton(
        load_notifier_factory, settings.provided.notifier, settings.provided.origins.get.call("notifier")
    )
    notifier = providers.Factory(made_notifier, notifier_factory, settings)
    webhook_policy = providers.Singleton(WebhookPolicy)

    runtime = providers.Factory(
        Runtime,
        settings=settings,
        bus=bus,
        storage=storage,
        clock=clock,
        ids=ids,
        codec=codec,
        telemetry=telemetry,
    )
