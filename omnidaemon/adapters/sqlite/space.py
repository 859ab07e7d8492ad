"""What all that keeps something in a file shares: the database, and how a call on it becomes a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import apsw

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.leases import begin_boot
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import Reading
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.domain.gates import Gates
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec

T = TypeVar("T")


class SqliteSpace:
    """One database and the clock by which it judges."""

    def __init__(self, database: Database, clock: Clock, codec: Codec, gates: Gates | None = None) -> None:
        self.database = database
        self.clock = clock
        self.codec = codec
        self.gates = gates or Gates()

    async def open(self) -> None:
        """`Database.open`; whoever comes first after a boot takes note of it, before anything else is written."""
        await self.database.open()
        try:
            boot_id = self.clock.boot_id
            await self.write(lambda ledger: begin_boot(ledger, boot_id))
        except BaseException:
            await self.database.close()
            raise

    async def write(
        self,
        work: Callable[[Ledger], T],
        *,
        durable: bool = True,
        is_urgent: bool = False,
        rings: Ring | Callable[[T], Ring] = Ring.NOBODY,
    ) -> T:
        """`Database.write` with a ledger. The clock is read inside, where nobody else writes."""

        def transact(cursor: apsw.Cursor) -> T:
            return work(Ledger(cursor, self.codec, self.gates, self.clock.now()))

        return await self.database.write(transact, durable=durable, is_urgent=is_urgent, rings=rings)

    async def read(self, work: Callable[[Reading], T]) -> T:
        """`Database.read` with a view of the tables."""
        return await self.database.read(lambda cursor: work(Reading(cursor, self.codec)))

    def too_new(self, task: Unreadable) -> BackendUnusable:
        """The error for a stored task that the call needs, and that only a later version can read."""
        reason = f"task {task.task_id} cannot be read: {task.reason}"
        return BackendUnusable("sqlite", str(self.database.path), reason, "upgrade omnidaemon")
