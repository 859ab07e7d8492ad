"""One published event, and the bytes of one that this version cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import attrs

from omnidaemon.domain.values import Value

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Task(Value, kw_only=True):
    """One published event. Immutable: `payload` is JSON text in UTF-8, encoded once when the task is made.

    `due_at` is set for a delayed task; `causation_id` is the task whose handler published this one, `correlation_id`
    the first task of such a chain; `hops` counts the replies in it. `webhook` is a URL and `reply_to` a topic that hear
    of each run's end. `trace_context` is a W3C traceparent.
    """

    task_id: str
    topic: str
    payload: bytes
    created_at: datetime
    due_at: datetime | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    webhook: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    hops: int = 0
    idempotency_key: str | None = None
    trace_context: str | None = None


@attrs.frozen(kw_only=True)
class Unreadable:
    """What arrived as a task but cannot be decoded: kept whole, with the reason.

    `is_newer`: the bytes name a schema number above the one known here, so a newer worker will read them; they wait.
    Otherwise they are garbage to everybody and become a dead letter at once.
    """

    task_id: str
    topic: str
    raw: bytes
    reason: str
    is_newer: bool = False
