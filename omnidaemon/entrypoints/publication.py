"""What whoever has published a task is told of it."""

from __future__ import annotations

from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.operations import Operations


async def keyed_task(client: Operations, task_id: str, *, has_key: bool) -> TaskResult | None:
    """How the task stands that publishing under an idempotency key has answered with: maybe one that was published
    before, whatever has become of that since. None without a key, and while the store knows nothing of it yet."""
    return await client.get_result(task_id) if has_key else None


def published_status(keyed: TaskResult | None, *, is_delayed: bool) -> Status:
    """The status of the task that publishing has answered with. Without a key it is new."""
    if keyed is not None:
        return keyed.status
    return Status.SCHEDULED if is_delayed else Status.QUEUED
