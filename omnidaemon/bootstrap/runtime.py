"""One set of opened adapters, and the services over them, for one event loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from omnidaemon.app.control import Control
from omnidaemon.app.feed import JournalFeed
from omnidaemon.app.pairing import mismatch
from omnidaemon.app.publisher import Publisher
from omnidaemon.app.queries import Queries
from omnidaemon.app.waiting import ResultWatch
from omnidaemon.bootstrap.settings import DEFAULT_NAMESPACE, Settings
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Telemetry


class Runtime:
    """The lifespan of a bus and a storage: an async context manager, to be entered and left on the same loop.

    Raises on entering: `MismatchedPair`, or what the adapters raise when they cannot be opened.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        bus: EventBus,
        storage: Storage,
        clock: Clock,
        ids: IdSource,
        codec: Codec,
        telemetry: Telemetry,
    ) -> None:
        self.settings = settings
        self.bus = bus
        self.storage = storage
        self.queries = Queries(bus=bus, storage=storage, codec=codec)
        self.control = Control(bus=bus, storage=storage, clock=clock, ids=ids, telemetry=telemetry)
        self.results = ResultWatch(runs=storage.runs, run_queries=storage.queries, queries=self.queries)
        self.feed = JournalFeed(journal=storage.journal, runs=storage.runs, clock=clock, telemetry=telemetry)
        self.publisher = Publisher(
            bus=bus,
            storage=storage,
            clock=clock,
            ids=ids,
            codec=codec,
            telemetry=telemetry,
            payload_max_bytes=settings.payload_max_bytes,
        )
        self._stack = AsyncExitStack()

    @property
    def place(self) -> str:
        """Where it works, for a person: bus and store, their server, the namespace where it is not the default, and the
        data directory where one of the two keeps files in it."""
        bus, store = self.bus.capabilities, self.storage.capabilities
        words = [f"bus {bus.name}, store {store.name}"]
        if locations := dict.fromkeys(filter(None, (bus.location, store.location))):
            words.append(f"server {' and '.join(locations)}")
        if self.settings.namespace != DEFAULT_NAMESPACE:
            words.append(f"namespace {self.settings.namespace}")
        if any(part.is_host_local and not part.is_process_local for part in (bus, store)):
            words.append(f"data in {self.settings.data_dir}")
        return ", ".join(words)

    async def __aenter__(self) -> Self:
        wrong = mismatch(self.bus.capabilities, self.storage.capabilities)
        if wrong is not None and not self.settings.allow_mismatch:
            raise wrong
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.storage)
            await stack.enter_async_context(self.bus)
            stack.push_async_callback(self.results.close)
            stack.push_async_callback(self.feed.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
