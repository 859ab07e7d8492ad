"""The one thread of a process that writes: it commits all pending calls together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

import apsw
import attrs

from omnidaemon.adapters.sqlite.calls import Call, PendingCalls, answer
from omnidaemon.adapters.sqlite.connections import DatabaseFile
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.faults import (
    BACKEND,
    LATE_FAULTS,
    StoredOrNot,
    leaves_connection_in_doubt,
    passed_on,
    stored_or_not,
    translated_os_error,
)
from omnidaemon.adapters.sqlite.migrations import migrate
from omnidaemon.adapters.sqlite.turnstile import Turnstile
from omnidaemon.domain.errors import BackendError


@attrs.frozen(kw_only=True)
class BatchLimits:
    """How much one transaction may hold: it keeps every other process waiting."""

    calls: int = 64
    seconds: float = 0.025


class Writer:
    """Group commit: one transaction for all calls that are pending when the turn comes.

    Every call runs in a savepoint of its own, unless it is alone. What it raises goes to its own caller and undoes its
    own part. A fault of the whole transaction (a full disk, a failing commit) undoes all of it, goes to every caller
    of the batch, and the next batch begins afresh.
    """

    def __init__(
        self,
        file: DatabaseFile,
        *,
        migrations: Sequence[str],
        application_id: int,
        limits: BatchLimits,
        ring: Callable[[Ring], None],
        before_close: Callable[[], None],
    ) -> None:
        """Keep what the thread needs; `start` starts it.

        `ring` is called after each commit that asked for it, `before_close` when all calls are answered.
        """
        self.opened: Final[Future[None]] = Future()
        self.closed: Final[Future[None]] = Future()
        for future in (self.opened, self.closed):
            future.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
        self.pending: Final = PendingCalls(file.path)
        self._file = file
        self._migrations = migrations
        self._application_id = application_id
        self._limits = limits
        self._ring = ring
        self._before_close = before_close
        self._turnstile = Turnstile(file.meeting_folder)
        self._connection: apsw.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_full_sync = True

    def start(self) -> None:
        """Start the thread: `opened` is done when calls are served, or has the reason why they aren't."""
        # A daemon: whoever forgets to close must still be able to exit; it is then as safe as being killed.
        threading.Thread(target=self._live, name="omnidaemon-sqlite-writer", daemon=True).start()

    def stop(self) -> None:
        """Serve what is pending, then end: `closed` is done when the file is closed."""
        self.pending.close()

    def _live(self) -> None:
        try:
            self._open()
        except BaseException as error:  # noqa: BLE001 - it goes to those who wait for the opening
            self.pending.close()
            self.opened.set_exception(passed_on(error, self._file.path))
        else:
            self.opened.set_result(None)
            while self.pending.wait():
                self._serve_batch()
        finally:
            # Nobody may wait for a thread that is no more, whatever ended it.
            self.pending.close()
            self._abandon(self.pending.rest(), "its writer has ended")
            try:
                self._close()
            finally:
                self.closed.set_result(None)

    def _open(self) -> None:
        self._file.make_room()
        try:
            self._turnstile.open()
        except OSError as error:
            raise translated_os_error(error, self._file.path) from error
        has_turn = self._turnstile.enter()
        try:
            self._connection = self._file.connect(is_new_allowed=True)
            self._file.refuse_read_only(self._connection)
            migrate(self._connection, self._file.path, self._migrations, self._application_id)
            self._identity = self._file.identity()
        finally:
            if has_turn:
                self._turnstile.leave()

    def _close(self) -> None:
        self._before_close()
        self._drop_connection()
        self._turnstile.close()

    def _serve_batch(self) -> None:
        batch: list[Call] = []
        try:
            has_turn = self._turnstile.enter()
            try:
                # Taken only now: what has come in while this process waited for its turn goes along.
                batch = self.pending.take(self._limits.calls)
                done = self._transact(batch) if batch else batch
            finally:
                if has_turn:
                    self._turnstile.leave()
        except BaseException as error:  # noqa: BLE001 - the thread lives on, or every later call would wait for ever
            batch = batch or self.pending.take(self._limits.calls)
            self._abandon(batch, f"its writer met {type(error).__name__}: {error}")
            return
        self.pending.give_back(batch[len(done) :])
        # Before the answers: a process may end as soon as it has its own. A ring may be lost, an answer may not.
        with contextlib.suppress(Exception):
            ring = max((call.ring for call in done), default=Ring.NOBODY)
            if ring is not Ring.NOBODY:
                self._ring(ring)
        answer(done)

    def _abandon(self, calls: Sequence[Call], reason: str) -> None:
        for call in calls:
            call.error = call.error or stored_or_not(self._file.path, reason)
        answer(calls)

    def _transact(self, batch: list[Call]) -> list[Call]:
        """Run a batch, or its first part if time is up, and give back what is settled now."""
        done = batch
        try:
            connection = self._ready_connection(is_durable=any(call.is_durable for call in batch))
            connection.execute("BEGIN IMMEDIATE")
            done = self._run(connection, batch)
            if connection.in_transaction:
                self._commit(connection)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers get it and the thread lives on
            self._undo(error)
            for call in done:
                if call.error is None:
                    call.error = passed_on(error, self._file.path)
        return done

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except LATE_FAULTS as error:
            raise stored_or_not(self._file.path, str(error)) from error

    def _run(self, connection: apsw.Connection, batch: list[Call]) -> list[Call]:
        if len(batch) == 1:
            self._run_alone(connection, batch[0])
            return batch
        ends_at = time.monotonic() + self._limits.seconds
        for position, call in enumerate(batch):
            if position and time.monotonic() > ends_at:
                return batch[:position]
            self._run_in_savepoint(connection, call)
        return batch

    def _run_alone(self, connection: apsw.Connection, call: Call) -> None:
        self._run_work(connection, call)
        if call.error is not None:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        elif not connection.in_transaction:
            raise self._ended_by(call)

    def _run_in_savepoint(self, connection: apsw.Connection, call: Call) -> None:
        connection.execute("SAVEPOINT call")
        self._run_work(connection, call)
        if not connection.in_transaction:
            raise call.error or self._ended_by(call)  # some errors of SQLite undo the whole transaction by themselves
        if call.error is not None:
            connection.execute("ROLLBACK TO call")
        connection.execute("RELEASE call")

    def _run_work(self, connection: apsw.Connection, call: Call) -> None:
        cursor = connection.cursor()
        try:
            call.result = call.work(cursor)
        except BaseException as error:
            call.error = passed_on(error, self._file.path)
            if isinstance(error, apsw.Error) and leaves_connection_in_doubt(error):
                raise  # nothing more can be had from this connection, for the others of the batch neither
        finally:
            cursor.close(True)  # noqa: FBT003 - a statement that is not finished would hold up the commit

    def _ready_connection(self, *, is_durable: bool) -> apsw.Connection:
        if self._file.identity() != self._identity:
            raise self._file.gone()
        connection = self._connection
        if connection is None:
            connection = self._connection = self._file.connect(is_new_allowed=False)
            self._is_full_sync = True
        if is_durable != self._is_full_sync:
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._is_full_sync = is_durable
        return connection

    def _undo(self, error: BaseException) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            self._drop_connection()
        fault = error.__cause__ if isinstance(error, StoredOrNot) else error
        if isinstance(fault, apsw.Error) and leaves_connection_in_doubt(fault):
            self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)  # noqa: FBT003 - also in the middle of a statement; raises nothing

    def _ended_by(self, call: Call) -> BackendError:
        reason = f"{call.work!r} ended the writer's transaction, which isn't its own"
        return BackendError(BACKEND, str(self._file.path), reason)
