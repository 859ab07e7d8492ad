"""Values as the server keeps them, and back.

A run's record is its head, a line that the scripts compare and read, then a line of JSON, then the result's JSON text.
The script `apply` puts it together: `queued_at`, `seconds` and the result are a run's own, the rest of the JSON is the
same for all that moved alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import orjson

from omnidaemon.domain.instant import micros_or_none, moment, moment_or_none
from omnidaemon.domain.names import Subscription, subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.texts import storable
from omnidaemon.domain.values import Value
from omnidaemon.ports.codec import Codec

SCHEMA: Final = 3
"""The version of all that is described here. Another one is refused at opening; 1 and 2 were none of a release."""

_NOBODY: Final = b"*"


def subscription_of(name: bytes) -> Subscription:
    """The subscription that is named `topic/agent`."""
    topic, _, agent = name.decode().partition("/")
    return subscription(topic, agent)


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """The fields of a hash, which scripts answer as name, value, name, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


# --- runs -------------------------------------------------------------------------------------------------------------

_STATES: Final = {state.value: state for state in RunState}
_STATES_AT: Final = {state.value.encode(): state for state in RunState}
_Errors = tuple[AttemptError, ...]
_Answers = tuple[tuple[str, bytes], ...]


class Kept(Value):
    """A run as the server is believed to keep it: `head` is what its record begins with, "" when there is none."""

    run: Run | None
    head: str
    revision: int = 0


ABSENT: Final = Kept(None, "")
UNKNOWN: Final = Kept(None, "?")
"""What no record begins with: whoever expects it is told what there is."""


def head_of(run: Run, revision: int) -> str:
    """What the record of this run begins with, at this revision."""
    return f"{run.state}\t{run.fence}\t{run.owner or ''}\t{int(run.is_cancel_requested)}\t{revision}\n"


SHARED: Final = attrgetter(
    "subscription",
    "state",
    "life",
    "fence",
    "owner",
    "request",
    "attempts",
    "crashes",
    "due_at",
    "lease_until",
    "lease_seconds",
    "is_cancel_requested",
    "is_acked",
    "started_at",
    "finished_at",
    "errors",
    "question",
    "default",
    "answers",
    "return_address",
)
"""All of a run but what is written for each: its task, `queued_at`, `seconds` and the result."""


def shared_of(run: Run, codec: Codec, *, has_result: bool) -> bytes:
    """The end of the JSON in a record: what runs that moved alike have in common. The lease is not in it: it is kept in
    an index of its own, so that renewing touches only that."""
    details = (
        run.subscription.topic,
        run.life,
        run.request,
        run.attempts,
        run.crashes,
        micros_or_none(run.due_at),
        run.lease_seconds,
        run.is_acked,
        micros_or_none(run.started_at),
        micros_or_none(run.finished_at),
        codec.dump(run.errors).decode() if run.errors else None,
        None if run.question is None else storable(run.question),
        None if run.default is None else run.default.decode(),
        codec.dump(run.answers).decode() if run.answers else None,
        has_result,
        None if run.return_address is None else codec.dump(run.return_address).decode(),
    )
    return orjson.dumps(details)[1:]


def lease_score(steady: float | None) -> str:
    """The end of a lease as the indexes keep it: an integer, since a small index has all other numbers as texts, which
    are parsed at each comparison (308 instead of 113 µs for a hundred that come and go)."""
    return "" if steady is None else str(round(steady * 1e6))


def lease_of(score: bytes) -> float:
    """The end of a lease, in seconds of the server's clock."""
    return int(score) / 1e6


def kept_of(key: RunKey, record: bytes | None, lease: bytes | None, codec: Codec) -> Kept:
    """What a record says of a run, with the lease that the index has for it."""
    if record is None:
        return ABSENT
    head, body, result = record.split(b"\n", 2)
    state, fence, owner, flag, revision = head.decode().split("\t")
    (
        queued_at,
        seconds,
        topic,
        life,
        request,
        attempts,
        crashes,
        due_at,
        lease_seconds,
        is_acked,
        started_at,
        finished_at,
        errors,
        question,
        default,
        answers,
        has_result,
        address,
    ) = orjson.loads(body)
    run = Run(
        task_id=key[0],
        subscription=subscription(topic, key[1]),
        state=_STATES[state],
        queued_at=moment(queued_at),
        life=life,
        fence=int(fence),
        owner=owner or None,
        request=request,
        attempts=attempts,
        crashes=crashes,
        due_at=moment_or_none(due_at),
        lease_until=None if lease is None else lease_of(lease),
        lease_seconds=lease_seconds,
        is_cancel_requested=flag == "1",
        is_acked=is_acked,
        started_at=moment_or_none(started_at),
        finished_at=moment_or_none(finished_at),
        seconds=seconds,
        result=result if has_result else None,
        errors=() if errors is None else codec.load(errors.encode(), _Errors),
        question=question,
        default=None if default is None else default.encode(),
        answers=() if answers is None else codec.load(answers.encode(), _Answers),
        return_address=None if address is None else codec.load(address.encode(), ReturnAddress),
    )
    return Kept(run, head.decode() + "\n", int(revision))


def run_standings(agent: str, codec: Codec) -> Callable[[str, bytes], RunStanding]:
    """What tells, of a task's id and the record of this agent's run, how that stands, without what only a worker needs
    of it. It remembers what runs have in common, each of which it decodes once: so it is for one reading."""
    known: dict[tuple[bytes, bytes], _Alike] = {}

    def run_standing(task_id: str, record: bytes) -> RunStanding:
        head, body, result = record.split(b"\n", 2)
        _, seconds, shared = body.split(b",", 2)
        alike = known.get((head, shared))
        if alike is None:
            alike = known[head, shared] = _alike(agent, head, shared, codec)
        named, state, attempts, crashes, due_at, started_at, finished_at, errors, has_result = alike
        return RunStanding(
            task_id,
            named,
            state,
            attempts,
            crashes,
            due_at,
            started_at,
            finished_at,
            float(seconds),
            result if has_result else None,
            errors,
        )

    return run_standing


def _alike(agent: str, head: bytes, shared: bytes, codec: Codec) -> _Alike:
    topic, _, _, attempts, crashes, due_at, _, _, started_at, finished_at, errors, _, _, _, has_result, _ = (
        orjson.loads(b"[" + shared)
    )
    return (
        subscription(topic, agent),
        _STATES_AT[head.partition(b"\t")[0]],
        attempts,
        crashes,
        moment_or_none(due_at),
        moment_or_none(started_at),
        moment_or_none(finished_at),
        () if errors is None else codec.load(errors.encode(), _Errors),
        has_result,
    )


_Alike = tuple[
    Subscription,
    RunState,
    int,
    int,
    datetime | None,
    datetime | None,
    datetime | None,
    _Errors,
    bool,
]


# --- tasks ------------------------------------------------------------------------------------------------------------


def flaw_of(task: Task | Unreadable, codec: Codec) -> bytes:
    """Why a task is unreadable, without the bytes, which are its body; empty for one that is not."""
    if isinstance(task, Task):
        return b""
    return codec.dump({"reason": task.reason, "is_newer": task.is_newer})


def task_of(codec: Codec, task_id: str, topic: bytes, flaw: bytes, body: bytes) -> Task | Unreadable:
    """The task. What was unreadable is read again: this may be a newer version."""
    task = codec.decode_task(body, task_id=task_id, topic=topic.decode())
    if not flaw or isinstance(task, Task):
        return task
    told: Any = codec.decode_value(flaw)
    return Unreadable(task_id=task_id, topic=topic.decode(), raw=body, reason=told["reason"], is_newer=told["is_newer"])


@lru_cache(maxsize=1024)
def named_in(stored: bytes | None) -> tuple[str, ...] | None:
    """The agents that were named for a task, less those whose run was deleted; None where none ever was."""
    if stored is None or stored == _NOBODY:
        return None
    return tuple(name for name in stored.decode().split(",") if name)
