"""What whoever has published a task is told of it."""

from __future__ import annotations

from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.operations import Operations


async def published_status(client: Operations, task_id: str, *, is_delayed: bool, has_key: bool) -> Status:
    """How the task stands that publishing has answered with. Without an idempotency key it is new; with one it may be
    one that was published before, whatever has become of that since."""
    if has_key and (found := await client.get_result(task_id)) is not None:
        return found.status
    return Status.SCHEDULED if is_delayed else Status.QUEUED
