"""The memory adapters, and the clock and ids of the tests, under every suite."""

from __future__ import annotations

from omnidaemon.adapters.memory import memory_bus, memory_storage
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.clock import ManualClock, SequentialIds
from omnidaemon.testing.contracts import ClockContract, EventBusContract, IdSourceContract, StorageContract


class TestMemoryBus(EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        return memory_bus(context)


class TestMemoryStorage(StorageContract):
    def make_storage(self, context: BackendContext) -> Storage:
        return memory_storage(context)


class TestManualClock(ClockContract):
    def make_clock(self) -> Clock:
        return ManualClock()

    async def pass_time(self, clock: Clock, seconds: float) -> None:
        assert isinstance(clock, ManualClock)
        clock.advance(seconds)


class TestSequentialIds(IdSourceContract):
    def make_ids(self) -> SequentialIds:
        return SequentialIds()
