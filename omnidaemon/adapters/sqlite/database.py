"""One SQLite file, shared by everything in a process: written in groups, read in snapshots, from any event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import apsw
import attrs

from omnidaemon.adapters.sqlite.calls import Call
from omnidaemon.adapters.sqlite.connections import DatabaseFile
from omnidaemon.adapters.sqlite.doorbell import Doorbell, Ring
from omnidaemon.adapters.sqlite.faults import forked, not_open
from omnidaemon.adapters.sqlite.migrations import APPLICATION_ID
from omnidaemon.adapters.sqlite.readers import Readers
from omnidaemon.adapters.sqlite.writer import BatchLimits, Writer

T = TypeVar("T")


class Database:
    """One SQLite file.

    All methods may be called from any event loop and any thread at once. Errors of SQLite and of the file system come
    as `BackendUnavailable` (locked, full, out of order: the same call may succeed later) or `BackendUnusable` (foreign,
    corrupt, newer, read-only, on a network: somebody must mend it); no exception of apsw's comes out.

    One process may have several objects for one file, but one object writes faster than two.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        migrations: Sequence[str] = (),
        application_id: int = APPLICATION_ID,
        busy_timeout: timedelta = timedelta(seconds=5),
        batch_limits: BatchLimits | None = None,
        reader_threads: int = 4,
        allows_network_file_system: bool = False,
    ) -> None:
        """Keep the settings; nothing is touched before `open`.

        Args:
            path: The file. It and its folder are made when needed, for this user alone.
            migrations: SQL scripts; the n-th leads from schema version n to n + 1. All users of the file in all
                versions share this one list, to which one only appends.
            application_id: What marks the file as this application's.
            busy_timeout: How long a call waits for a program that locks the file without queueing for it.
            batch_limits: How much one transaction may hold.
            reader_threads: How many reads may run at once.
            allows_network_file_system: Open it there in spite of all.
        """
        self._file = DatabaseFile(
            path=Path(path),
            busy_timeout_seconds=busy_timeout.total_seconds(),
            allows_network_file_system=allows_network_file_system,
        )
        self._migrations = tuple(migrations)
        self._application_id = application_id
        self._batch_limits = batch_limits or BatchLimits()
        self._reader_threads = reader_threads
        self._guard = threading.Lock()
        self._session: _Session | None = None
        self.doorbell: Final = Doorbell(self._file.meeting_folder)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def scope(self) -> str:
        """The same for all objects of this file, as far as its name tells: what one transaction can reach."""
        return f"sqlite:{self.path.absolute()}"

    async def open(self) -> None:
        """Open the file, or join those who have opened it; pair each call that succeeds with one of `close`.

        The first one makes the file and brings its schema up to date. If that fails, it fails for all who wait for it,
        and the next `open` tries again.
        """
        with self._guard:
            if self._session is None:
                self._session = self._started()
            session = self._session
            self._refuse_forked(session)
            session.users += 1
        try:
            await asyncio.wrap_future(session.writer.opened)
        except asyncio.CancelledError:
            self._leave(session)
            raise
        except BaseException:
            with self._guard:
                if self._session is session:
                    self._session = None
            raise

    async def close(self) -> None:
        """Leave; the last one waits until what is pending is committed, and closes the file.

        Without an `open` before, it does nothing.
        """
        session = self._session
        if session is not None and self._leave(session):
            await asyncio.wrap_future(session.writer.closed)

    async def write(
        self,
        work: Callable[[apsw.Cursor], T],
        *,
        durable: bool = True,
        is_urgent: bool = False,
        rings: Ring | Callable[[T], Ring] = Ring.NOBODY,
    ) -> T:
        """Run `work` in the writer's transaction and return its result once that is committed.

        `work` runs in the writer's thread, together with other calls': it should be short, never waits for anything
        but SQL, and neither begins nor ends a transaction. All that it did is undone if it raises, and the exception
        comes out here. A `BackendUnavailable` here means that nothing of it was stored; a
        `StoredOrNot`, that this is not known.

        A call that is cancelled before its turn is not run; later, it may still be committed.

        Args:
            work: Gets a cursor of its own, which is closed when it returns.
            durable: Commit so that it survives a power failure. A batch without any such call is committed faster, and
                survives the death of the process only; the next durable one makes it durable as well.
            is_urgent: Go before all calls that aren't.
            rings: Who shall hear the doorbell after the commit, or what says so of the result.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        call = Call(work=work, is_durable=durable, is_urgent=is_urgent, rings=rings, loop=loop, future=future)
        self._opened_session().writer.pending.add(call)
        return await future

    async def read(self, work: Callable[[apsw.Cursor], T]) -> T:
        """Run `work` in a read transaction, in a thread beside the writer, and return its result.

        All its statements see the same state: the last committed one when the first of them ran. Every `write` that
        has returned before is in it. `work` cannot write.
        """
        return await self._opened_session().readers.read(work)

    async def compact(self) -> None:
        """Write the file anew, so that nothing that was ever deleted can be read in it, nor in its write-ahead log. If
        somebody reads all the while, the log keeps what it has until the next checkpoints, or its last user's end."""
        self._opened_session()
        await asyncio.to_thread(self._file.compact)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _started(self) -> _Session:
        readers = Readers(self._file, threads=self._reader_threads)
        writer = Writer(
            self._file,
            migrations=self._migrations,
            application_id=self._application_id,
            limits=self._batch_limits,
            ring=self.doorbell.ring,
            before_close=readers.close,
        )
        writer.start()
        return _Session(writer=writer, readers=readers)

    def _leave(self, session: _Session) -> bool:
        """Count one user less; True if it was the last one, and the closing has begun."""
        with self._guard:
            session.users -= 1
            if session.users > 0 or self._session is not session:
                return False
            self._session = None
        self.doorbell.close()
        session.writer.stop()
        return True

    def _opened_session(self) -> _Session:
        session = self._session
        if session is None or not session.writer.opened.done():
            raise not_open(self.path)
        self._refuse_forked(session)
        return session

    def _refuse_forked(self, session: _Session) -> None:
        if session.process_id != os.getpid():
            raise forked(self.path)


@attrs.define(kw_only=True, eq=False)
class _Session:
    """What exists between the first `open` and the last `close`."""

    writer: Writer
    readers: Readers
    users: int = 0
    process_id: int = attrs.field(factory=os.getpid)
