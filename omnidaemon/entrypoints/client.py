"""Publishing, reading and ordering: what a program, a script or the command line asks of OmniDaemon."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Unpack

from omnidaemon.app.control import Purged
from omnidaemon.app.drafts import Draft, PublishOptions
from omnidaemon.app.publisher import Publication
from omnidaemon.app.queries import AgentStatus, Health, ResultPage, TaskDetails, WebhookPage
from omnidaemon.app.steps import USUAL_TASKS
from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.runtime import Runtime
from omnidaemon.bootstrap.runtimes import Runtimes
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.errors import BackendError, NotificationNotFound, WaitTimedOut
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription, checked_name, is_name
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task
from omnidaemon.entrypoints.event_stream import EventStream, FeedStream
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.entrypoints.unheard import explained
from omnidaemon.entrypoints.validation import check_events, checked_timeout, known_task, outbox_filter, task_filter
from omnidaemon.ports.bus import Depth

_NO_OPTIONS = (None,) * 8


class Client:
    """Works on bus and store directly. Opens them when first needed, a set for each event loop.

    Every call may raise `BackendUnavailable`, which may pass, and `BackendUnusable`, which somebody has to mend.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._runtimes = Runtimes(container.runtime)

    async def runtime(self) -> Runtime:
        """The opened adapters of the running loop and the services over them."""
        return await self._runtimes.current()

    async def close(self) -> None:
        """Close what the running loop has opened; the next call opens it anew. Idempotent."""
        await self._runtimes.close()

    # --- publishing ---------------------------------------------------------------------------------------------------

    async def publish_task(
        self,
        topic: str,
        payload: object,
        *,
        webhook: str | None = None,
        reply_to: str | None = None,
        delay: float | timedelta | None = None,
        due_at: datetime | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Publish a task and return its id, once the bus has confirmed it (or the store, for one that is delayed).

        `payload` is any JSON value. The result of each agent's run is posted to the URL `webhook` and published on the
        topic `reply_to`; a key of either name in a payload that is an object does the same. `delay` in seconds (at
        most 1e10), or an aware `due_at`, keep it back. The same `idempotency_key` on a topic gives the same task for as
        long as that is remembered; with another payload `IdempotencyConflict`. Raises `InvalidInput`, `PublishFailed`,
        `BackendUnavailable`.
        """
        options = (webhook, reply_to, delay, due_at, idempotency_key, correlation_id, causation_id, headers)
        if options == _NO_OPTIONS:
            runtime = self._runtimes.opened() or await self.runtime()
            task_id = await runtime.publisher.publish_plain(topic, payload)
            runtime.results.published(task_id)
            return task_id
        draft = Draft(
            topic=topic,
            payload=payload,
            webhook=webhook,
            reply_to=reply_to,
            delay=delay,
            due_at=due_at,
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
            causation_id=causation_id,
            headers=headers,
        )
        return (await self._published(draft)).task_id

    async def publish_tasks(
        self, tasks: Sequence[tuple[str, object]], *, webhook: str | None = None, reply_to: str | None = None
    ) -> list[str]:
        """Publish many `(topic, payload)` in one round trip; their ids, in order. All are checked before any is sent.

        `webhook` and `reply_to` are for each of them; errors as of `publish_task`.
        """
        if not tasks:
            return []
        runtime = await self.runtime()
        task_ids = await runtime.publisher.publish_alike(tasks, webhook=webhook, reply_to=reply_to)
        runtime.results.published_together(task_ids)
        return task_ids

    async def publish_with_receipt(
        self, topic: str, payload: object, **options: Unpack[PublishOptions]
    ) -> PublishReceipt:
        """As `publish_task`, with what a person is told of it: of a task that its key was known for, how that stands
        now, or, where the store does not tell, as it was published."""
        done = await self._published(Draft(topic=topic, payload=payload, **options))
        is_delayed = options.get("delay") is not None or options.get("due_at") is not None
        status = Status.SCHEDULED if is_delayed else Status.QUEUED
        if done.known_since is not None:
            with contextlib.suppress(BackendError):  # whatever it says of it, the task is published
                known = await (await self.runtime()).queries.result(done.task_id)
                status = status if known is None else known.status
        return PublishReceipt(task_id=done.task_id, status=status, known_since=done.known_since)

    async def publish_from(self, cause: Task, topic: str, payload: object, **options: Unpack[PublishOptions]) -> str:
        """Publish a task on behalf of another, whose correlation and hops it keeps; `options` as in `publish_task`."""
        correlation_id = cause.correlation_id or cause.task_id
        chain: PublishOptions = {"correlation_id": correlation_id, "causation_id": cause.task_id, **options}
        return (await self._published(Draft(topic=topic, payload=payload, hops=cause.hops, **chain))).task_id

    async def _published(self, draft: Draft) -> Publication:
        runtime = self._runtimes.opened() or await self.runtime()
        done = await runtime.publisher.publish_one(draft)
        if draft.idempotency_key is None:  # else it may have ended while its key was confirmed
            runtime.results.published(done.task_id)
        return done

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def get_result(self, task_id: str, agent: str | None = None) -> TaskResult | None:
        """The task as it stands, ended or not; None when it is unknown. `TaskNotFound` for a strange agent."""
        return (
            await (await self.runtime()).queries.result(known_task(task_id, agent), agent) if is_name(task_id) else None
        )

    async def wait_for_result(self, task_id: str, timeout: float | None = 30.0, agent: str | None = None) -> TaskResult:
        """The task once it has ended, well or not. `WaitTimedOut` after `timeout` seconds (None: never), with
        the reason where nobody takes it up; `TaskNotFound` when it is unknown."""
        try:
            return await (await self.runtime()).results.wait(
                known_task(task_id, agent), checked_timeout(timeout), agent
            )
        except WaitTimedOut as error:
            timed_out = error
        raise await explained(timed_out, self, (await self.runtime()).place, agent)

    async def list_tasks(
        self,
        *,
        status: str | None = None,
        topic: str | None = None,
        agent: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> ResultPage:
        """At most `limit` (1 to 1,000) tasks that match, newest first, and a cursor for the next page, None at the end.

        `status` is a state of runs, or `scheduled`; with `agent`, that agent's part of a task alone counts.
        `InvalidInput` for what cannot be looked for.
        """
        wanted = task_filter(status, topic, agent, cursor, limit)
        return await (await self.runtime()).queries.find(wanted, cursor, limit)

    async def get_task(self, task_id: str) -> TaskDetails | None:
        """Everything about one task: its payload, its runs, its history. None when it is unknown."""
        return await (await self.runtime()).queries.details(task_id) if is_name(task_id) else None

    async def cancel_task(self, task_id: str, agent: str | None = None) -> None:
        """End what has not begun; have what runs stopped. `TaskNotFound`; `WrongState` when all of it has ended."""
        await (await self.runtime()).storage.commands.cancel(known_task(task_id, agent), agent)

    async def requeue_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Run an ended task again: the agent named, else all that did not succeed; with `only_dead` those alone that
        are dead. `TaskNotFound`; `WrongState` when there is nothing to run again."""
        await (await self.runtime()).storage.commands.requeue(known_task(task_id, agent), agent, only_dead=only_dead)

    async def delete_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Forget a task, or one agent's ended run of it. `TaskNotFound`; `WrongState` while it runs, and with
        `only_dead` unless it is dead."""
        await (await self.runtime()).storage.commands.delete(known_task(task_id, agent), agent, only_dead=only_dead)

    # --- webhooks and replies -----------------------------------------------------------------------------------------

    async def list_webhooks(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        topic: str | None = None,
        task_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> WebhookPage:
        """What has to be told of ended runs and what was, newest first: webhooks, and replies too, each with the log of
        its attempts. `status` is `pending`, `delivered` or `failed`, `kind` is `webhook` or `reply`; `cursor`, `limit`
        and errors as of `list_tasks`."""
        wanted = outbox_filter(status, kind, topic, task_id, cursor, limit)
        return await (await self.runtime()).queries.webhooks(wanted, cursor, limit)

    async def redeliver_webhook(self, webhook_id: str) -> None:
        """Send a webhook or a reply now, with a full set of attempts from here on, whatever came of it. Raises
        `NotificationNotFound`."""
        if not is_name(webhook_id) or not await (await self.runtime()).storage.outbox.redeliver([webhook_id]):
            raise NotificationNotFound(webhook_id)

    # --- agents and workers -------------------------------------------------------------------------------------------

    async def list_agents(self) -> list[AgentStatus]:
        """All agents that were ever registered and not removed, sorted by topic and name."""
        return await (await self.runtime()).queries.agents()

    async def heard_topics(self) -> frozenset[str]:
        """The topics that some agent listens to."""
        return await (await self.runtime()).queries.heard_topics()

    async def get_agent(self, topic: str, name: str) -> AgentStatus:
        """One agent; `AgentNotFound` when there is none."""
        return await (await self.runtime()).queries.agent(Subscription.checked(topic, name))

    async def start_agent(self, topic: str, name: str) -> None:
        """Want a stopped agent to take work again, on every worker; each hears of it likewise. `AgentNotFound`."""
        await (await self.runtime()).control.start([Subscription.checked(topic, name)])

    async def stop_agent(self, topic: str, name: str) -> None:
        """Want an agent to take nothing more, on every worker, also after restarts; what runs finishes. Each worker
        hears of it within two seconds, while the store answers it. `AgentNotFound`."""
        await (await self.runtime()).control.stop([Subscription.checked(topic, name)])

    async def start_all_agents(self) -> None:
        """Start every agent."""
        control = (await self.runtime()).control
        await control.start(await control.all_agents())

    async def stop_all_agents(self) -> None:
        """Stop every agent."""
        control = (await self.runtime()).control
        await control.stop(await control.all_agents())

    async def remove_agent(self, topic: str, name: str, to: str | None = None, *, force: bool = False) -> int:
        """End a subscription; what waits for it goes to the agent `to`, or is dropped. How many tasks were handed
        over. `AgentNotFound`.

        `AgentInUse` while a live worker runs it, since each start of such a worker registers it anew. With `force` it
        is removed all the same: those workers take nothing more for it, until they start again.
        """
        return await (await self.runtime()).control.remove(Subscription.checked(topic, name), to, force=force)

    async def list_workers(self) -> list[WorkerRecord]:
        """All workers that were heard within the last hour."""
        return await (await self.runtime()).queries.workers()

    async def drain_worker(self, worker_id: str) -> None:
        """Have a worker take nothing more, finish what it runs, and leave; its process ends. `WorkerNotFound`."""
        await (await self.runtime()).control.drain([worker_id])

    async def drain_all_workers(self) -> None:
        """Drain every worker that lives."""
        control = (await self.runtime()).control
        await control.drain(await control.all_workers())

    # --- the system ---------------------------------------------------------------------------------------------------

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        """What each agent has done since the store was made; durations in seconds."""
        return await (await self.runtime()).queries.metrics()

    async def topics(self) -> Sequence[Depth]:
        """What waits on the bus, by topic and agent; empty for a bus that cannot tell."""
        return await (await self.runtime()).queries.depths()

    async def purge_topic(self, topic: str) -> int:
        """Drop what waits on a topic: its tasks are cancelled for the agents that have not begun them. How many
        deliveries were dropped. `InvalidInput` for what no topic is called."""
        return await (await self.runtime()).control.purge(checked_name("topic", topic))

    async def purge_step(self, topic: str, cursor: str | None = None, limit: int = USUAL_TASKS) -> Purged:
        """A part of `purge_topic`, which ends soon however much waits: up to `limit` tasks, from `cursor` on."""
        return await (await self.runtime()).control.purge_step(checked_name("topic", topic), cursor, limit)

    def events(self, *, after: int | None = None, task_id: str | None = None, topic: str | None = None) -> EventStream:
        """What happens, as it happens: `async for event in sdk.events(topic="document.*")`, without an end.

        `after`: the position of the last event that was seen, to go on from there; 0 for all that is kept; None for
        what happens from now on. `task_id`: of one task only; the first wait raises `TaskNotFound` when it is unknown,
        and nothing of it is kept after that position. `topic`: of the topics that match a pattern with the wildcards of
        a shell. Each event comes once and in order; while the store is away it waits. `InvalidInput` for a position or
        a text that cannot be meant.
        """
        check_events(after, task_id, topic)
        return FeedStream(self.runtime, after, task_id, topic)

    async def health(self) -> Health:
        """Whether bus and store answer, and what is lossy or degraded."""
        return await (await self.runtime()).queries.health()
