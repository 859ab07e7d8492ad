"""What can be asked of OmniDaemon from outside, whoever carries it out: adapters of this process, or a server."""
# ruff: noqa: D102 - what each call does stands at `Client`

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, Unpack

from omnidaemon.app.drafts import PublishOptions
from omnidaemon.app.queries import AgentStatus, Health, ResultPage, TaskDetails, WebhookPage
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.result import TaskResult
from omnidaemon.entrypoints.event_stream import EventStream
from omnidaemon.entrypoints.publication import PublishReceipt
from omnidaemon.ports.bus import Depth


class Operations(Protocol):
    """The calls that commands are made of. Both who carry them out answer with the same values and the same errors;
    what each call does stands at `Client`."""

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def publish_task(
        self,
        topic: str,
        payload: object,
        *,
        delay: float | timedelta | None = None,
        due_at: datetime | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        webhook: str | None = None,
        reply_to: str | None = None,
    ) -> str: ...

    async def publish_with_receipt(
        self, topic: str, payload: object, **options: Unpack[PublishOptions]
    ) -> PublishReceipt: ...

    async def get_result(self, task_id: str, agent: str | None = None) -> TaskResult | None: ...

    async def wait_for_result(
        self, task_id: str, timeout: float | None = 30.0, agent: str | None = None
    ) -> TaskResult: ...

    async def list_tasks(
        self,
        *,
        status: str | None = None,
        topic: str | None = None,
        agent: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> ResultPage: ...

    async def get_task(self, task_id: str) -> TaskDetails | None: ...

    async def cancel_task(self, task_id: str, agent: str | None = None) -> None: ...

    async def requeue_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None: ...

    async def delete_task(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None: ...

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
    ) -> WebhookPage: ...

    async def redeliver_webhook(self, webhook_id: str) -> None: ...

    # --- agents and workers -------------------------------------------------------------------------------------------

    async def list_agents(self) -> list[AgentStatus]: ...

    async def get_agent(self, topic: str, name: str) -> AgentStatus: ...

    async def start_agent(self, topic: str, name: str) -> None: ...

    async def stop_agent(self, topic: str, name: str) -> None: ...

    async def start_all_agents(self) -> None: ...

    async def stop_all_agents(self) -> None: ...

    async def remove_agent(self, topic: str, name: str, to: str | None = None, *, force: bool = False) -> int: ...

    async def list_workers(self) -> list[WorkerRecord]: ...

    async def drain_worker(self, worker_id: str) -> None: ...

    async def drain_all_workers(self) -> None: ...

    # --- the system ---------------------------------------------------------------------------------------------------

    async def metrics(self) -> Mapping[Subscription, Metrics]: ...

    async def topics(self) -> Sequence[Depth]: ...

    async def purge_topic(self, topic: str) -> int: ...

    def events(
        self, *, after: int | None = None, task_id: str | None = None, topic: str | None = None
    ) -> EventStream: ...

    async def health(self) -> Health: ...

    async def close(self) -> None: ...
