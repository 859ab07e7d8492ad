"""The threads that read, each time from one consistent snapshot, beside the writer and never in its way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apsw

from omnidaemon.adapters.sqlite.connections import DatabaseFile
from omnidaemon.adapters.sqlite.faults import leaves_connection_in_doubt, not_open, passed_on

T = TypeVar("T")


class Readers:
    """A few threads and connections, made when they are first needed."""

    def __init__(self, file: DatabaseFile, *, threads: int) -> None:
        """Set the limit: further reads wait for a free thread."""
        self._file = file
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="omnidaemon-sqlite-reader")
        self._idle: deque[apsw.Connection] = deque()

    async def read(self, work: Callable[[apsw.Cursor], T]) -> T:
        """Run `work` in a read transaction, from any event loop."""
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._executor, self._read, work)
        except RuntimeError as error:  # the executor is shut down
            raise not_open(self._file.path) from error
        return await running

    def close(self) -> None:
        """Wait for the reads that run, then close all connections; blocks."""
        self._executor.shutdown()
        while self._idle:
            self._idle.pop().close()

    def _read(self, work: Callable[[apsw.Cursor], T]) -> T:
        connection: apsw.Connection | None = None
        try:
            connection = self._idle.pop() if self._idle else self._file.connect_reader()
            connection.execute("BEGIN")
            cursor = connection.cursor()
            try:
                return work(cursor)
            finally:
                cursor.close(True)  # noqa: FBT003 - also in the middle of a statement
        except BaseException as error:
            if connection is not None and isinstance(error, apsw.Error) and leaves_connection_in_doubt(error):
                connection.close(True)  # noqa: FBT003 - as above
                connection = None
            raise passed_on(error, self._file.path) from error
        finally:
            if connection is not None:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._idle.append(connection)
