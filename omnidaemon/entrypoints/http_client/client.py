"""A client whose calls a server carries out: the same calls, values and errors as those of `Client`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Unpack

import orjson

from omnidaemon.adapters.codecs.plain_json import payload_text
from omnidaemon.app.drafts import Draft, PublishOptions, task_of
from omnidaemon.app.queries import AgentStatus, Health, ResultPage, TaskDetails, WebhookPage
from omnidaemon.bootstrap.settings import Shown
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.errors import (
    BackendUnavailable,
    NotificationNotFound,
    TaskNotFound,
    WaitTimedOut,
    WorkerNotFound,
)
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription, checked_name, is_name
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import parsing
from omnidaemon.entrypoints.diagnosis import Finding
from omnidaemon.entrypoints.event_stream import EventStream
from omnidaemon.entrypoints.http.request_errors import TooBusy
from omnidaemon.entrypoints.http_client.connection import ApiConnection
from omnidaemon.entrypoints.http_client.event_stream import SseStream
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.entrypoints.validation import check_events, checked_timeout, known_task, outbox_filter, task_filter
from omnidaemon.ports.bus import Depth

_LONGEST_ASK_SECONDS: Final = 30.0
"""The server keeps a question open for no longer than a minute, and proxies for less."""

_AWAY_SECONDS: Final = 1.0
_NOT_YET: Final = "not-yet"
"""The id of a task whose publication is checked before the server gives it one."""

_UNAVAILABLE: Final = 503


class HttpClient:
    """Belongs to one loop, and holds nothing open but connections."""

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection
        self._ask = connection.ask

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._connection.close()

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def publish_task(self, topic: str, payload: object, **options: Unpack[PublishOptions]) -> str:
        """The id of the published task."""
        return (await self.publish_with_receipt(topic, payload, **options)).task_id

    async def publish_with_receipt(
        self, topic: str, payload: object, **options: Unpack[PublishOptions]
    ) -> PublishReceipt:
        """What is wrong with the task is found here, as a publisher would find it."""
        text = payload_text(payload)
        draft = Draft(topic=topic, payload=payload, **options)
        task = task_of(draft, text, task_id=_NOT_YET, now=datetime.now(UTC))
        told = {name: value for name, value in options.items() if value is not None}
        if isinstance(draft.delay, timedelta):
            told["delay"] = draft.delay.total_seconds()
        if draft.due_at is not None:
            told["due_at"] = task.due_at
        if draft.headers is not None:
            told["headers"] = dict(task.headers)
        body = orjson.dumps({"topic": topic, "payload": orjson.Fragment(text), **told})
        return await self._ask(parsing.receipt, "POST", "tasks", body=body)

    async def get_result(self, task_id: str, agent: str | None = None) -> TaskResult | None:
        """The task as it stands; None when it is unknown, `TaskNotFound` for a strange agent."""
        return await self._standing(task_id, agent) if is_name(task_id) else None

    async def wait_for_result(self, task_id: str, timeout: float | None = 30.0, agent: str | None = None) -> TaskResult:
        """The task once it has ended. A server that goes away meanwhile is waited for, too."""
        loop, seconds = asyncio.get_running_loop(), checked_timeout(timeout)
        deadline = math.inf if seconds is None else loop.time() + seconds
        status: Status | None = None
        while True:
            left = max(0.0, deadline - loop.time())
            try:
                # How it stands is known before anything is waited for: who is away then was never there.
                found = await self._standing(task_id, agent, min(left, _LONGEST_ASK_SECONDS) if status else 0.0)
            except (BackendUnavailable, TooBusy):
                if status is None or left <= 0.0:
                    raise
                await asyncio.sleep(min(left, _AWAY_SECONDS))
                continue
            if found is None:
                raise TaskNotFound(task_id)
            if found.is_end:
                return found
            status = found.status
            if loop.time() >= deadline:
                raise WaitTimedOut(task_id, timeout or 0.0, status)

    async def _standing(self, task_id: str, agent: str | None, wait: float = 0.0) -> TaskResult | None:
        path, params = ("tasks", known_task(task_id, agent)), {"agent": agent, "wait": wait or None}
        try:
            return await self._ask(parsing.task_result, "GET", *path, params=params, wait_seconds=wait)
        except TaskNotFound as error:
            if error.agent is not None:
                raise
            return None

    async def list_tasks(
        self,
        *,
        status: str | None = None,
        topic: str | None = None,
        agent: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> ResultPage:
        """A page of tasks, newest first."""
        wanted = task_filter(status, topic, agent, cursor, limit)
        params = {"status": wanted.status, "topic": topic, "agent": agent, "cursor": cursor, "limit": limit}
        return await self._ask(parsing.task_page, "GET", "tasks", params=params)

    async def get_task(self, task_id: str) -> TaskDetails | None:
        """Everything about one task; None when it is unknown."""
        if not is_name(task_id):
            return None
        try:
            return await self._ask(parsing.task_details, "GET", "tasks", task_id, "details")
        except TaskNotFound:
            return None

    async def cancel_task(self, task_id: str, agent: str | None = None) -> None:
        """End what has not begun; have what runs stopped."""
        await self._order("POST", "tasks", known_task(task_id, agent), "cancel", params={"agent": agent})

    async def requeue_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Run an ended task again."""
        params = {"agent": agent, "only_dead": _flag(is_set=only_dead)}
        await self._order("POST", "tasks", known_task(task_id, agent), "requeue", params=params)

    async def delete_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Forget a task, or one agent's ended run of it."""
        params = {"agent": agent, "only_dead": _flag(is_set=only_dead)}
        await self._order("DELETE", "tasks", known_task(task_id, agent), params=params)

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
        """A page of webhooks and replies, newest first."""
        wanted = outbox_filter(status, kind, topic, task_id, cursor, limit)
        params = {"status": wanted.status, "kind": wanted.kind, "topic": topic, "task": task_id}
        return await self._ask(
            parsing.webhook_page, "GET", "webhooks", params={**params, "cursor": cursor, "limit": limit}
        )

    async def redeliver_webhook(self, webhook_id: str) -> None:
        """Send a webhook or a reply now."""
        if not is_name(webhook_id):
            raise NotificationNotFound(webhook_id)
        await self._order("POST", "webhooks", webhook_id, "redeliver")

    # --- agents and workers -------------------------------------------------------------------------------------------

    async def list_agents(self) -> list[AgentStatus]:
        """All agents."""
        return await self._ask(lambda shapes: [parsing.agent(shape) for shape in shapes], "GET", "agents")

    async def get_agent(self, topic: str, name: str) -> AgentStatus:
        """One agent."""
        return await self._ask(parsing.agent, "GET", *_agent(topic, name))

    async def start_agent(self, topic: str, name: str) -> None:
        """Have a stopped agent take work again."""
        await self._order("POST", *_agent(topic, name), "start")

    async def stop_agent(self, topic: str, name: str) -> None:
        """Have an agent take nothing more."""
        await self._order("POST", *_agent(topic, name), "stop")

    async def start_all_agents(self) -> None:
        """Start every agent."""
        await self._order("POST", "agents", "start")

    async def stop_all_agents(self) -> None:
        """Stop every agent."""
        await self._order("POST", "agents", "stop")

    async def remove_agent(self, topic: str, name: str, to: str | None = None, *, force: bool = False) -> int:
        """End a subscription; how many tasks were handed over."""
        params = {"to": None if to is None else checked_name("agent name", to), "force": _flag(is_set=force)}
        return await self._ask(lambda shape: int(shape["moved"]), "DELETE", *_agent(topic, name), params=params)

    async def list_workers(self) -> list[WorkerRecord]:
        """All workers that were heard within the last hour."""
        return await self._ask(lambda shapes: [parsing.worker(shape) for shape in shapes], "GET", "workers")

    async def drain_worker(self, worker_id: str) -> None:
        """Have a worker leave."""
        if not is_name(worker_id):
            raise WorkerNotFound(worker_id)
        await self._order("POST", "workers", worker_id, "drain")

    async def drain_all_workers(self) -> None:
        """Have every worker leave."""
        await self._order("POST", "workers", "drain")

    # --- the system ---------------------------------------------------------------------------------------------------

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        """What each agent has done so far."""
        return await self._ask(parsing.metrics, "GET", "metrics")

    async def topics(self) -> Sequence[Depth]:
        """What waits on the bus."""
        return await self._ask(lambda shapes: [parsing.depth(shape) for shape in shapes], "GET", "topics")

    async def purge_topic(self, topic: str) -> int:
        """Drop what waits on a topic; how many deliveries that were. The server does a part for each request."""
        path = ("topics", checked_name("topic", topic), "purge")
        step = await self._ask(parsing.purge_step, "POST", *path)
        dropped = step.deliveries
        while step.cursor is not None:
            step = await self._ask(parsing.purge_step, "POST", *path, params={"cursor": step.cursor})
            dropped += step.deliveries
        return dropped

    def events(self, *, after: int | None = None, task_id: str | None = None, topic: str | None = None) -> EventStream:
        """What happens, as it happens; the stream goes on by itself after an interruption."""
        check_events(after, task_id, topic)
        return SseStream(self._connection, after, task_id, topic)

    async def health(self) -> Health:
        """Whether the server's bus and store answer."""
        return await self._ask(parsing.health, "GET", "health", besides=(_UNAVAILABLE,))

    async def settings(self) -> tuple[Shown, ...]:
        """The server's settings."""
        return await self._ask(parsing.settings, "GET", "config")

    async def examine(self) -> list[Finding]:
        """What is wrong or weak, as it looks from the server."""
        return await self._ask(parsing.checkup, "GET", "doctor")

    async def _order(self, method: str, *path: str, **options: Any) -> None:
        await self._ask(lambda _: None, method, *path, **options)


def _flag(*, is_set: bool) -> str | None:
    """As a parameter, which is left out where it is not set."""
    return "true" if is_set else None


def _agent(topic: str, name: str) -> tuple[str, str, str]:
    subscription = Subscription.checked(topic, name)
    return "agents", subscription.topic, subscription.agent
