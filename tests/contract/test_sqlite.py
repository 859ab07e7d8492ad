"""The SQLite adapters under every suite; "peer" is a second database object on the same file, as in another process."""

from __future__ import annotations

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import sqlite_bus, sqlite_storage
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts import (
    AckingRunStoreContract,
    ErasableContract,
    EventBusContract,
    LoggingBusContract,
    StorageContract,
)
from omnidaemon.testing.contracts.opening import AdapterContract


class TestSqliteBus(EventBusContract):
    codec = JsonCodec()

    def make_bus(self, context: BackendContext) -> EventBus:
        return sqlite_bus(context)


class TestSqliteStorage(StorageContract):
    codec = JsonCodec()

    def make_storage(self, context: BackendContext) -> Storage:
        return sqlite_storage(context)


class InOneFile(AdapterContract):
    codec = JsonCodec()

    def make_bus(self, context: BackendContext) -> EventBus:
        return sqlite_bus(context)

    def make_storage(self, context: BackendContext) -> Storage:
        return sqlite_storage(context)


class TestSqliteBusWithLog(InOneFile, LoggingBusContract):
    pass


class TestSqliteStorageWithAcks(InOneFile, AckingRunStoreContract):
    pass


class TestSqliteErasure(InOneFile, ErasableContract):
    pass
