"""Where a scenario plays: a bus and a store, the program that works on them, its processes and what they log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from omnidaemon.testing.chaos import agents
from omnidaemon.testing.chaos.accounts import Accounts
from omnidaemon.testing.chaos.agents import AGENT, TOPIC, Work
from omnidaemon.testing.chaos.audit import Ending, Interruption, Verdict, audit
from omnidaemon.testing.chaos.crew import Crew, Member
from omnidaemon.testing.chaos.plan import VARIABLE
from omnidaemon.testing.chaos.proxy import TcpProxy
from omnidaemon.testing.chaos.records import (
    Answer,
    HandlerLog,
    PublisherLog,
    census_of,
)
from omnidaemon.testing.chaos.sdk import Sdk
from omnidaemon.testing.chaos.servers import PrivateRedis
from omnidaemon.testing.chaos.telling import Receiver, Telling, audit_told
from omnidaemon.testing.patience import eventually

BATCH = 500
_UNDER_WAY = frozenset({"running", "retrying", "waiting", "scheduled"})


@attrs.frozen(kw_only=True)
class Backend:
    """A bus and a store as a scenario meets them. `program` is the command of an `AuditedProgram`, without its last
    words; `environment` has it work on these two; `make_client` makes an SDK in this process that does.

    `server` holds what can be killed, where there is one; `cables` are what leads to the bus and to the store, where a
    proxy stands between. `is_file`: one process can keep all others from writing. `check` raises when the data are
    damaged. `counts` says how many things of each kind bus and store hold. `queries` gives a list that, once left,
    holds what this process has asked the store meanwhile, each with how it is carried out and nothing of the data: two
    listings that are alike cost alike."""

    name: str
    program: Sequence[str]
    environment: Mapping[str, str]
    make_client: Callable[[], Sdk]
    is_lossy: bool = False
    is_file: bool = False
    server: PrivateRedis | None = None
    store_server: PrivateRedis | None = None
    cables: Sequence[TcpProxy] = ()
    check: Callable[[], None] | None = None
    counts: Callable[[], Mapping[str, int]] | None = None
    queries: Callable[[], AbstractContextManager[list[str]]] | None = None


class Stage(Accounts):
    """One scenario's run. An async context manager; processes end with it."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        super().__init__(folder)
        self.backend = backend
        self.crew = Crew(folder)
        self.client: Sdk = backend.make_client()
        self._published = PublisherLog(folder / agents.PUBLISHERS_LOG)
        self._heard = HandlerLog(folder / agents.HANDLERS_LOG)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()
        self._published.close()
        self._heard.close()
        await self.crew.__aexit__(kind, error, trace)

    # --- processes ----------------------------------------------------------------------------------------------------

    def launch(
        self,
        *words: str,
        policy: Mapping[str, object] | None = None,
        concurrency: int = 50,
        failpoints: str = "",
        **environment: str,
    ) -> Member:
        """Start the program with these words."""
        settings = {
            **os.environ,
            **self.backend.environment,
            agents.FOLDER: str(self.folder),
            agents.POLICY: json.dumps(policy or {}),
            agents.CONCURRENCY: str(concurrency),
            VARIABLE: failpoints,
            **environment,
        }
        return self.crew.start([*self.backend.program, *words], settings)

    async def start_worker(self, **options: Any) -> Member:
        """Start a worker and wait until it is ready, or has died on the way."""
        member = self.launch("work", **options)
        await member.says("ready (process")
        return member

    def start_publisher(self, orders: Sequence[Mapping[str, object]], **options: Any) -> Member:
        """Start a process that publishes; orders as `AuditedProgram` takes them."""
        path = self.folder / f"orders-{len(list(self.folder.glob('orders-*')))}.json"
        path.write_text(json.dumps(orders))
        return self.launch("publish", str(path), **options)

    # --- publishing from here -----------------------------------------------------------------------------------------

    async def publish(self, works: Sequence[Work], batch: int = BATCH, **options: Any) -> list[str]:
        """Publish these, with options for all of them, and log what was answered; their ids."""
        ids: list[str] = []
        for start in range(0, len(works), batch):
            some = works[start : start + batch]
            for work in some:
                self._published.sending(work.item)
            told = await self.client.publish_tasks([(TOPIC, work.payload()) for work in some], **options)
            for work, task_id in zip(some, told, strict=True):
                self._published.answered(work.item, Answer.OK, task_id)
            ids += told
        return ids

    async def publish_one(self, work: Work, **options: Any) -> str:
        """Publish one with these options; errors are the caller's, and leave it unknown."""
        self._published.sending(work.item)
        task_id: str = await self.client.publish_task(TOPIC, work.payload(), **options)
        self._published.answered(work.item, Answer.OK, task_id)
        return task_id

    # --- what happened ------------------------------------------------------------------------------------------------

    def receiver(self) -> Receiver:
        """One that hears webhooks, once it is entered."""
        return Receiver(self._heard)

    async def census(self, member: Member) -> dict[str, int]:
        """What there is of each kind in this process, and of bus and store."""
        since = time.monotonic()
        member.send(signal.SIGUSR1)

        async def look() -> dict[str, int] | None:
            return census_of(self.folder / agents.HANDLERS_LOG, member.pid, since)

        found = await eventually(look)
        assert found is not None
        return {**found, "files": member.files(), **self.counts()}

    def counts(self) -> dict[str, int]:
        """How many things of each kind bus and store hold, as far as that can be told."""
        return dict(self.backend.counts()) if self.backend.counts is not None else {}

    def excuse(self, member: Member) -> None:
        """What this process has under way may run again: it was told to give it back."""
        self.crew.interruptions.append(Interruption(pid=member.pid, at=time.monotonic()))

    async def pause(self, seconds: float) -> None:
        """Let this much time pass; part of what a scenario does, not a wait for something."""
        await asyncio.sleep(seconds)

    async def until(self, holds: Callable[[], object], within_seconds: float = 90.0) -> None:
        """Look again until it holds."""

        async def look() -> object:
            return holds()

        await eventually(look, within_seconds=within_seconds, pause_seconds=0.02)

    async def within(self, seconds: float, holds: Callable[[], object]) -> bool:
        """Look again until it holds, for so long at most: whether it did."""
        try:
            await self.until(holds, seconds)
        except AssertionError:
            return False
        return True

    async def endings(self) -> dict[str, Ending]:
        """Every task that the store knows, by id."""
        found: dict[str, Ending] = {}
        cursor: str | None = None
        while True:
            page = await self.client.list_tasks(topic=TOPIC, cursor=cursor, limit=1000)
            for result in page.results:
                found[result.task_id] = Ending(status=str(result.status), is_end=result.is_end, result=result.result)
            if page.cursor is None:
                return found
            cursor = page.cursor

    async def settled(self, within_seconds: float = 120.0) -> dict[str, Ending]:
        """Wait until everything that publishers were told of has ended: how it did."""
        wanted = {task_id for told in self.publications().values() for task_id in told.task_ids}

        def is_settled(endings: Mapping[str, Ending]) -> bool:
            """What nobody knows to be published may be in the log alone, queued for ever."""
            ended = {task_id for task_id, ending in endings.items() if ending.is_end}
            open_ones = {task_id for task_id, ending in endings.items() if ending.status in _UNDER_WAY}
            return not open_ones and (wanted & endings.keys() if self.backend.is_lossy else wanted) <= ended

        last: dict[str, Ending] = {}

        async def look() -> bool:
            nonlocal last
            unended = await self.client.list_tasks(topic=TOPIC, status="running", limit=1)
            if unended.results:
                return False
            last = await self.endings()
            return is_settled(last)

        await eventually(look, within_seconds=within_seconds, pause_seconds=0.25)
        return last

    async def nothing_left(self, within_seconds: float) -> None:
        """Wait until the store has forgotten every task."""

        async def look() -> int:
            return len((await self.client.list_tasks(topic=TOPIC, limit=1)).results)

        await eventually(look, lambda count: count == 0, within_seconds, pause_seconds=0.25)

    async def whole(self) -> None:
        """Have the backend checked for damage, where it can be."""
        if self.backend.check is not None:
            await asyncio.to_thread(self.backend.check)

    async def verdict(self, within_seconds: float = 120.0, doomed: Collection[str] = ()) -> Verdict:
        """Wait until everything has ended, and audit it; what never ends is lost."""
        try:
            endings = await self.settled(within_seconds)
        except AssertionError:
            verdict = self._audited(await self.endings(), doomed)
            if verdict.is_clean:
                raise  # what nobody was told of goes on for ever
            return verdict
        return self._audited(endings, doomed)

    def _audited(self, endings: Mapping[str, Ending], doomed: Collection[str]) -> Verdict:
        return audit(
            self.publications(),
            self.executions(),
            endings,
            self.crew.interruptions,
            is_lossy=self.backend.is_lossy,
            doomed=doomed,
        )

    async def clean_verdict(self, within_seconds: float = 120.0, doomed: Collection[str] = ()) -> Verdict:
        """The verdict, which has to be without fault."""
        verdict = await self.verdict(within_seconds, doomed)
        assert verdict.is_clean, verdict.faults()
        return verdict

    async def clean_telling(self, endings: Mapping[str, Ending], within_seconds: float = 90.0) -> Telling:
        """Wait until everybody was told of these ends, and audit it; it has to be without fault."""

        def told() -> Telling:
            return audit_told(endings, self.heard())

        await self.within(within_seconds, lambda: not told().untold)
        telling = told()
        assert telling.is_clean, telling.faults()
        return telling


__all__ = ["AGENT", "TOPIC", "Backend", "Stage", "Work"]
