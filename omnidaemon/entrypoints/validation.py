"""What a client checks before it asks anybody, so that a mistake is the same error whoever would have been asked."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from omnidaemon.domain.errors import InvalidValue, TaskNotFound
from omnidaemon.domain.names import checked_name, is_name
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.states import Status
from omnidaemon.domain.texts import is_text
from omnidaemon.ports.outbox import OutboxFilter
from omnidaemon.ports.run_queries import TaskFilter, position_before

E = TypeVar("E", bound=StrEnum)

_LONGEST_PAGE = 1000
_LONGEST_NAME = 200
_LONGEST_WAIT_SECONDS = 1e8
"""Three years: a loop's clock takes no more, and infinity is not one of its times."""
_LAST_POSITION = 2**63 - 1


def known_task(task_id: str, agent: str | None = None) -> str:
    """The id, unless it is one that no task can have, or the agent one that none can be."""
    if not is_name(task_id):
        raise TaskNotFound(task_id)
    if agent is not None and not is_name(agent):
        raise TaskNotFound(task_id, agent)
    return task_id


def checked_timeout(timeout: float | None) -> float | None:
    """How long to wait, in seconds; None for as long as it takes."""
    given: object = timeout
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not given >= 0:  # NaN is not
        raise InvalidValue("timeout", given, "seconds from 0, or None to wait for as long as it takes")
    return min(given, _LONGEST_WAIT_SECONDS)


def task_filter(status: str | None, topic: str | None, agent: str | None, cursor: str | None, limit: int) -> TaskFilter:
    """Which tasks to look for; `InvalidInput` for what cannot be looked for."""
    _check_page(cursor, limit)
    return TaskFilter(
        status=_one_of(Status, "status", status), topic=_name("topic", topic), agent=_name("agent name", agent)
    )


def outbox_filter(  # noqa: PLR0917 - in the order in which `list_webhooks` has them
    status: str | None, kind: str | None, topic: str | None, task_id: str | None, cursor: str | None, limit: int
) -> OutboxFilter:
    """Which webhooks and replies to look for; `InvalidInput` for what cannot be looked for."""
    _check_page(cursor, limit)
    return OutboxFilter(
        status=_one_of(OutboxStatus, "status", status),
        kind=_one_of(NotificationKind, "kind", kind),
        topic=_name("topic", topic),
        task_id=_name("task id", task_id),
    )


def check_events(after: int | None, task_id: str | None, topic: str | None) -> None:
    """`InvalidInput` for a place or a choice of events that cannot be meant. Whether there is such a task is found out
    when the stream is opened."""
    if after is not None and (type(after) is not int or not 0 <= after <= _LAST_POSITION):
        raise InvalidValue("after", after, "the position of an event, or 0")
    for name, value in (("task_id", task_id), ("topic", topic)):
        if value is not None and not is_text(value, _LONGEST_NAME):
            raise InvalidValue(name, value, f"a text of at most {_LONGEST_NAME} characters that UTF-8 can carry")


def _check_page(cursor: str | None, limit: int) -> None:
    if type(limit) is not int or not 1 <= limit <= _LONGEST_PAGE:
        raise InvalidValue("limit", limit, f"a number from 1 to {_LONGEST_PAGE}")
    position_before(cursor)


def _name(kind: str, name: str | None) -> str | None:
    return None if name is None else checked_name(kind, name)


def _one_of(kind: type[E], name: str, value: str | None) -> E | None:
    try:
        return None if value is None else kind(value)
    except ValueError:
        raise InvalidValue(name, value, f"one of {', '.join(kind)}") from None
