"""The registry over the SQLite tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import attrs

from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import Reading, as_array
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.adapters.sqlite.unbegun import expect_anybody
from omnidaemon.domain.agent import (
    WORKERS_REMEMBERED,
    AgentProfile,
    AgentRecord,
    DesiredState,
    Start,
    WorkerRecord,
    WorkerReport,
    found_agent,
    found_worker,
    registered,
)
from omnidaemon.domain.instant import micros, moment
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import abandoned, withdrawn
from omnidaemon.ports.registry import AgentRegistry, Census

_CANCELLED_AT_ONCE: Final = 1000

_OPEN_RUNS: Final = f"""
    SELECT {RUN_COLUMNS} FROM runs
    WHERE state IN ('queued', 'retrying', 'waiting') AND state <> 'running' AND topic = ?1 AND agent = ?2
    UNION ALL
    SELECT {RUN_COLUMNS} FROM runs WHERE state = 'running' AND topic = ?1 AND agent = ?2
        AND is_cancel_requested = 0
    LIMIT {_CANCELLED_AT_ONCE}
"""
_UNBEGUN: Final = f"""
    SELECT position, task_id FROM unbegun JOIN tasks USING (position)
    WHERE unbegun.topic = ? AND unbegun.agent = ? AND unbegun.position > ?
    ORDER BY unbegun.position LIMIT {_CANCELLED_AT_ONCE}
"""
_WORKERS: Final = "SELECT incarnation, report FROM json_each(?) AS wanted CROSS JOIN workers ON incarnation = value"
_FORGET_UNBEGUN: Final = "DELETE FROM unbegun WHERE topic = ? AND agent = ? AND position <= ?"


class SqliteRegistry(AgentRegistry):
    """Agents and workers as JSON: there are few of them."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def register(self, profiles: Sequence[AgentProfile]) -> Mapping[Subscription, Start]:
        def work(ledger: Ledger) -> dict[Subscription, Start]:
            topics = [profile.subscription.topic for profile in profiles]
            records = registered(profiles, ledger.agents(topics), ledger.now.at)
            _keep(ledger, records.values())
            return {subscription: record.declaration for subscription, record in records.items()}

        return await self._space.write(work)

    async def declared(self, subscriptions: Sequence[Subscription]) -> None:
        def work(ledger: Ledger) -> None:
            known = ledger.agents(subscription.topic for subscription in subscriptions)
            _keep(ledger, [attrs.evolve(known[s], is_declared=True) for s in subscriptions if s in known])

        await self._space.write(work)

    async def beat(self, report: WorkerReport) -> DesiredState:
        def work(ledger: Ledger) -> DesiredState:
            kept = report.after(_workers(ledger, [report.incarnation]).get(report.incarnation))
            row = (report.incarnation, micros(ledger.now.at), ledger.codec.dump(kept))
            ledger.cursor.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?)", row)
            topics = [subscription.topic for subscription in report.subscriptions]
            return DesiredState.of(ledger.agents(topics), kept)

        return await self._space.write(work, durable=False)

    async def leave(self, incarnation: str) -> None:
        def work(ledger: Ledger) -> None:
            ledger.cursor.execute("DELETE FROM workers WHERE incarnation = ?", (incarnation,))
            ledger.cursor.execute("DELETE FROM lanes WHERE incarnation = ?", (incarnation,))

        await self._space.write(work, durable=False)

    async def census(self) -> Census:
        now = self._space.clock.now().at

        def work(reading: Reading) -> Census:
            rows = reading.rows(
                "SELECT report, seen_at FROM workers WHERE seen_at >= ? ORDER BY incarnation",
                (micros(now - WORKERS_REMEMBERED),),
            )
            workers = [
                WorkerRecord.seen(reading.codec.load(report, WorkerReport), moment(seen_at), now)
                for report, seen_at in rows
            ]
            return Census(agents=tuple(reading.agents().values()), workers=tuple(workers))

        return await self._space.read(work)

    async def desire(self, subscriptions: Sequence[Subscription], *, is_stopped: bool) -> None:
        def work(ledger: Ledger) -> None:
            known = ledger.agents(subscription.topic for subscription in subscriptions)
            _keep(
                ledger,
                [found_agent(known, subscription).desired(is_stopped=is_stopped) for subscription in subscriptions],
            )

        await self._space.write(work, rings=Ring.EVERYBODY)

    async def drain(self, incarnations: Sequence[str]) -> None:
        def work(ledger: Ledger) -> None:
            known = _workers(ledger, incarnations)
            drained = {each: found_worker(known, each).drained() for each in incarnations}
            ledger.cursor.executemany(
                "UPDATE workers SET report = ? WHERE incarnation = ?",
                [(ledger.codec.dump(report), incarnation) for incarnation, report in drained.items()],
            )

        await self._space.write(work, rings=Ring.EVERYBODY)

    async def remove(self, subscription: Subscription, heir: Subscription | None = None) -> None:
        """In steps, so that many runs do not hold up everybody else; the agent goes with the last of them. Whoever is
        killed in between has cancelled some of its runs, and asks again."""
        place: int | None = 0
        while place is not None:
            place = await self._space.write(partial(_abandon_some, subscription=subscription, place=place))
        while not await self._space.write(
            lambda ledger: _remove_some(ledger, subscription, heir), rings=Ring.EVERYBODY
        ):
            pass


def _abandon_some(ledger: Ledger, subscription: Subscription, place: int) -> int | None:
    """Cancel some of the tasks that waited for the topic's first agents, if this one was the last of them; where to go
    on, None at the end. While the agent is registered, no more such tasks come in."""
    gone = found_agent(ledger.agents([subscription.topic]), subscription)
    waiting = ledger.rows(_UNBEGUN, (subscription.topic, "", place))
    ledger.apply(abandoned(ledger.records(task_id for _, task_id in waiting).values(), gone, ledger.now))
    return waiting[-1][0] if len(waiting) == _CANCELLED_AT_ONCE else None


def _remove_some(ledger: Ledger, subscription: Subscription, heir: Subscription | None) -> bool:
    """Withdraw some of the agent's runs; True when that were all, and the agent is gone."""
    gone = found_agent(ledger.agents([subscription.topic]), subscription)
    key = (subscription.topic, subscription.agent)
    unbegun = ledger.rows(_UNBEGUN, (*key, 0))
    if unbegun:
        records = ledger.records(task_id for _, task_id in unbegun).values()
        ledger.apply(abandoned(records, gone, ledger.now))
        ledger.cursor.execute(_FORGET_UNBEGUN, (*key, unbegun[-1][0]))
        # What is left without an agent may still be begun by one that comes.
        orphans = [each.task.task_id for each in records if not each.runs and each.agents == (subscription.agent,)]
        expect_anybody(ledger.cursor, orphans)
    runs = ledger.runs(_OPEN_RUNS, key)
    ledger.marks(run.task_id for run in runs)  # so that the ledger knows the tasks to which runs are added
    taken = ledger.found((run.task_id, heir.agent) for run in runs) if heir else {}
    ledger.apply(withdrawn(runs, heir, taken, ledger.now))
    if max(len(runs), len(unbegun)) >= _CANCELLED_AT_ONCE:
        return False
    ledger.cursor.execute("DELETE FROM agents WHERE topic = ? AND agent = ?", key)
    return True


def _workers(reading: Reading, incarnations: Sequence[str]) -> dict[str, WorkerReport]:
    """The last heartbeats of those of the workers that are known."""
    rows = reading.rows(_WORKERS, [as_array(incarnations)])
    return {incarnation: reading.codec.load(report, WorkerReport) for incarnation, report in rows}


def _keep(ledger: Ledger, records: Iterable[AgentRecord]) -> None:
    subscriptions = [(record.profile.subscription, record) for record in records]
    ledger.cursor.executemany(
        "INSERT OR REPLACE INTO agents VALUES (?, ?, ?)",
        [(s.topic, s.agent, ledger.codec.dump(record)) for s, record in subscriptions],
    )
