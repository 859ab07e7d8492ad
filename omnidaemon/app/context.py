"""What a handler may know and do besides its payload."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Unpack

from omnidaemon.app.drafts import PublishOptions
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.task import Task

PublishFrom = Callable[..., Awaitable[str]]
"""Publishes a task on behalf of another: `(cause: Task, topic, payload, **options) -> task id`."""


class Context:
    """The second argument of an agent. One per attempt; readable from any thread."""

    def __init__(self, grant: Grant, task: Task, logger: Callable[..., Any], publish: PublishFrom) -> None:
        self._run = grant.run
        self._task = task
        self._make_logger = logger
        self._logger: Any = None
        self._publish = publish
        # A plain flag: one thread sets it, others look. An Event of `threading` is a lock and a queue for each task,
        # which was 3 % of what a task cost.
        self._is_cancelled = False

    @property
    def task(self) -> Task:
        """The task as it was published; its payload is JSON text here, decoded in the handler's first argument."""
        return self._task

    @property
    def task_id(self) -> str:
        """The task's id: the same at every attempt."""
        return self._task.task_id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; one that ended in a worker's death counts too."""
        return self._run.attempt

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._run.subscription.agent

    @property
    def topic(self) -> str:
        """The topic that the task came by."""
        return self._task.topic

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers given at publish."""
        return self._task.headers

    @property
    def idempotency_key(self) -> str:
        """A key for calls to other services: the same at every attempt of this run, another one after a requeue."""
        return f"{self._task.task_id}:{self.agent}:{self._run.life}"

    @property
    def logger(self) -> Any:
        """A logger that adds the task and the agent to each line."""
        if self._logger is None:
            self._logger = self._make_logger(task_id=self.task_id, topic=self.topic, agent=self.agent)
        return self._logger

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this attempt to stop: a person, a time-out, a stopping worker. A handler in a thread
        cannot be interrupted, so a long one should look here now and then."""
        return self._is_cancelled

    async def publish(self, topic: str, payload: object, **options: Unpack[PublishOptions]) -> str:
        """Publish a task caused by this one, with the options of `sdk.publish_task`; returns its id."""
        return await self._publish(self._task, topic, payload, **options)

    def request_stop(self) -> None:
        """Called by the executor when the attempt shall stop."""
        self._is_cancelled = True
