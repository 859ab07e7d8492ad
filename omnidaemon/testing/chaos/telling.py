"""Who is told of an ended run: a receiver of webhooks that writes down what it hears, and the audit of that."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.testing.chaos.audit import Ending, named
from omnidaemon.testing.chaos.records import HandlerLog, Heard

KINDS = ("webhook", "reply")
_MOST_BYTES = 2**20


@attrs.frozen(kw_only=True)
class Telling:
    """What an audit found. `repeated`: how often somebody was told once more than needed, which may be.

    `untold`: a run that has ended, and somebody was never told. `renamed`: one end, told under several ids, so that
    receivers cannot notice. `contradicted`: what was told is not what the store says. `unfounded`: told of a run that
    has not ended, or that nobody knows."""

    webhooks: int
    replies: int
    repeated: int
    untold: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    unfounded: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether each was told once or more, and the truth."""
        return not self.faults()

    def faults(self) -> str:
        """What was found, with some of the names; empty when it is clean."""
        return named(
            {
                "untold": self.untold,
                "renamed": self.renamed,
                "told otherwise": self.contradicted,
                "unfounded": self.unfounded,
            }
        )

    def figures(self) -> dict[str, int]:
        """The counts, for a table."""
        return {
            "webhooks": self.webhooks,
            "replies": self.replies,
            "told again": self.repeated,
            "untold": len(self.untold),
            "renamed": len(self.renamed),
            "told otherwise": len(self.contradicted),
            "unfounded": len(self.unfounded),
        }


def audit_told(endings: Mapping[str, Ending], heard: Sequence[Heard]) -> Telling:
    """Compare what was heard with how the store says that tasks have ended; each of one agent, in its first life, and
    published with a webhook and a reply."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in heard:
        ids[each.kind, each.task_id].add(each.notification_id)
    ended = {task_id: ending for task_id, ending in endings.items() if ending.is_end}
    return Telling(
        webhooks=sum(each.kind == "webhook" for each in heard),
        replies=sum(each.kind == "reply" for each in heard),
        repeated=len(heard) - len(ids),
        untold=tuple(f"{kind} of {task_id}" for task_id in ended for kind in KINDS if (kind, task_id) not in ids),
        renamed=tuple(f"{kind} of {task_id}" for (kind, task_id), names in ids.items() if len(names) > 1),
        contradicted=tuple(
            f"{each.kind} of {each.task_id}"
            for each in heard
            if each.task_id in ended and each.result != ended[each.task_id].result
        ),
        unfounded=tuple(f"{each.kind} of {each.task_id}" for each in heard if each.task_id not in ended),
    )


class Receiver:
    """Hears webhooks on a free port of 127.0.0.1, and writes each down before it answers. An async context manager."""

    def __init__(self, log: HandlerLog) -> None:
        self._log = log
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it hears them."""
        assert self._server is not None, "the receiver is not open"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_MOST_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # who sends may be killed meanwhile
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers["content-length"]))
            self._log.heard("webhook", headers["webhook-id"], json.loads(body))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()
