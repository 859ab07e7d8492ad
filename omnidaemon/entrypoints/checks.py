"""What a client checks before it asks anybody, so that a mistake is the same error whoever would have been asked."""

from __future__ import annotations

from omnidaemon.domain.errors import InvalidValue, TaskNotFound
from omnidaemon.domain.names import checked_name, is_name
from omnidaemon.domain.states import Status
from omnidaemon.ports.run_queries import TaskFilter, position_before

_LONGEST_PAGE = 1000


def known_task(task_id: str, agent: str | None = None) -> str:
    """The id, unless it is one that no task can have, or the agent one that none can be."""
    if not is_name(task_id):
        raise TaskNotFound(task_id)
    if agent is not None and not is_name(agent):
        raise TaskNotFound(task_id, agent)
    return task_id


def task_filter(status: str | None, topic: str | None, agent: str | None, cursor: str | None, limit: int) -> TaskFilter:
    """What to look for; `InvalidInput` for what cannot be looked for."""
    if limit not in range(1, _LONGEST_PAGE + 1):
        raise InvalidValue("limit", limit, f"a number from 1 to {_LONGEST_PAGE}")
    for kind, name in (("topic", topic), ("agent name", agent)):
        if name is not None:
            checked_name(kind, name)
    wanted = TaskFilter(status=None if status is None else _status(status), topic=topic, agent=agent)
    position_before(cursor)
    return wanted


def _status(status: str) -> Status:
    try:
        return Status(status)
    except ValueError:
        raise InvalidValue("status", status, f"one of {', '.join(Status)}") from None
