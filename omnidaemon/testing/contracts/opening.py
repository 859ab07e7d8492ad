"""What every suite of an adapter needs: a place for each test, and the adapter opened there, once and once more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from omnidaemon.domain.names import Subscription
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.place import NO_CODEC, TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker

GREETER = Subscription(TOPIC, "greeter")
LOGGER = Subscription(TOPIC, "logger")


class AdapterContract:
    """Three attributes that a subclass may set.

    `clock`: None for an adapter that judges time by the clock of its context, which then is a `ManualClock` that the
    suite moves. An adapter that asks a server for the time gets a real clock here; the suite waits in earnest then.
    `codec`: for adapters that need one. `options`: what `context.option()` knows, such as a server's address.
    """

    clock: ClassVar[Clock | None] = None
    codec: ClassVar[Codec] = NO_CODEC
    options: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """A new folder, a new namespace: data that no other test has seen."""
        return Place(data_dir=tmp_path, clock=self.clock or ManualClock(), codec=self.codec, options=dict(self.options))


class StorageOpening(AdapterContract):
    """Opens the storage under test. A subclass overrides `make_storage`."""

    def make_storage(self, context: BackendContext) -> Storage:
        """The storage for this context, not entered yet: what the plugin's entry point does."""
        raise NotImplementedError(f"{type(self).__name__}.make_storage(context): return your storage, not entered")

    @pytest_asyncio.fixture
    async def storage(self, place: Place) -> AsyncIterator[Storage]:
        """The storage under test."""
        async with self.make_storage(place.context()) as storage:
            yield storage

    @pytest_asyncio.fixture
    async def peer(self, place: Place, storage: Storage) -> AsyncIterator[Storage]:
        """A second connection to the same data: of another process where the storage reaches that far."""
        async with self.make_storage(place.peer_context(storage.capabilities)) as peer:
            yield peer

    @pytest.fixture
    def worker(self, storage: Storage) -> ScriptedWorker:
        """A worker on the storage under test."""
        return ScriptedWorker(storage.runs, "w1")

    @pytest.fixture
    def rival(self, peer: Storage) -> ScriptedWorker:
        """Another worker, on the second connection."""
        return ScriptedWorker(peer.runs, "w2")


async def live_on(place: Place, worker: ScriptedWorker, seconds: float) -> None:
    """Let time pass while this worker, which holds nothing, is heard as often as it ought to be, so that leases can be
    judged all the while."""
    quarter = worker.lease_seconds / 4
    passed = 0.0
    while passed < seconds:
        await worker.renew()
        await place.pass_time(quarter)
        passed += quarter
    await worker.renew()
