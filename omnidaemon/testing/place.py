"""Where a contract test runs: data of its own, the clock, and a context for each process that takes part."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import attrs

from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BackendContext, SharedObjects
from omnidaemon.ports.bus import BusCapabilities
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import StorageCapabilities
from omnidaemon.testing.clock import ManualClock, SequentialIds

TOPIC = "greet.user"


class _NoCodec:
    """Stands for a codec where none is needed, and says so when one is."""

    def __getattr__(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{name}: this adapter needs a codec; give its suite the class attribute `codec`")


NO_CODEC = cast("Codec", _NoCodec())


@attrs.define(kw_only=True)
class Place:
    """Fresh data for one test. Contexts of the same place see the same data, each process with objects of its own."""

    data_dir: Path
    clock: Clock = attrs.field(factory=ManualClock)
    codec: Codec = NO_CODEC
    options: Mapping[str, str] = attrs.field(factory=dict)
    namespace: str = attrs.field(factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    _processes: dict[str, SharedObjects] = attrs.field(factory=dict)

    def context(self, process: str = "main") -> BackendContext:
        """What a factory gets in the process of this name."""
        return BackendContext(
            namespace=self.namespace,
            data_dir=self.data_dir,
            clock=self.clock,
            ids=SequentialIds(process),
            codec=self.codec,
            shared=self._processes.setdefault(process, SharedObjects()),
            option=self.options.get,
        )

    def peer_context(self, capabilities: BusCapabilities | StorageCapabilities) -> BackendContext:
        """What a factory gets in a second process; in the first one again for an adapter that reaches no further."""
        return self.context("main" if capabilities.is_process_local else "peer")

    def now(self) -> datetime:
        """The wall time by which the adapter judges, as near as can be known."""
        return self.clock.now().at if isinstance(self.clock, ManualClock) else datetime.now(UTC)

    async def pass_time(self, seconds: float) -> None:
        """Let this much time pass for the adapter: at once by a manual clock, by waiting otherwise."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)

    def task(self, task_id: str = "t1", topic: str = TOPIC, payload: bytes = b"{}", **more: Any) -> Task:
        """A task that was created just now."""
        return Task(task_id=task_id, topic=topic, payload=payload, created_at=self.now(), **more)
