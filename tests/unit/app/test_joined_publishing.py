"""Tasks that are published at once go together; nobody pays for another's failure, refusal or impatience."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

import pytest

from omnidaemon.app.joined_publishing import JoinedPublishing
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, Receipt
from omnidaemon.testing.clock import ManualClock


class Gate:
    """Holds each call until it is let go, and keeps what came. It refuses the tasks that are named."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.let_go = asyncio.Event()
        self.refused: set[str] = set()
        self.failure: Exception | None = None

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        self.calls.append([task.task_id for task in tasks])
        await self.let_go.wait()
        if self.failure is not None:
            raise self.failure
        return [
            Receipt(
                task_id=task.task_id,
                confirmation=Confirmation.FAILED if task.task_id in self.refused else Confirmation.CONFIRMED,
            )
            for task in tasks
        ]


def tasks(*names: str) -> list[Task]:
    now = ManualClock().now().at
    return [Task(task_id=name, topic="greet.user", payload=b"1", created_at=now) for name in names]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def joined(gate: Gate) -> JoinedPublishing:
    return JoinedPublishing(gate.publish)


def caller_of(joined: JoinedPublishing, brought: Sequence[Task]) -> asyncio.Task[Sequence[Receipt]]:
    """Somebody who publishes these, beside others."""

    async def publish() -> Sequence[Receipt]:
        return await joined.publish(brought)

    return asyncio.create_task(publish())


async def begun(joined: JoinedPublishing, *names: str) -> list[asyncio.Task[Sequence[Receipt]]]:
    """Each published by a caller of its own, in order, as far as they come."""
    callers = [caller_of(joined, tasks(name)) for name in names]
    for _ in range(5):
        await asyncio.sleep(0)
    return callers


async def test_what_comes_during_a_call_goes_with_the_next_one(gate: Gate, joined: JoinedPublishing):
    """A hundred callers, two calls; each gets the receipt of its own task."""
    names = [f"t{number}" for number in range(100)]
    callers = await begun(joined, *names)
    gate.let_go.set()
    receipts = await asyncio.gather(*callers)
    assert gate.calls == [names[:1], names[1:]]
    assert [receipt.task_id for (receipt,) in receipts] == names


async def test_who_is_alone_calls_at_once(gate: Gate, joined: JoinedPublishing):
    """One after the other, one call each; with however many tasks."""
    gate.let_go.set()
    await joined.publish(tasks("t1"))
    await joined.publish(tasks("t2", "t3"))
    assert gate.calls == [["t1"], ["t2", "t3"]]


async def test_those_who_go_together_are_not_too_many(gate: Gate, joined: JoinedPublishing):
    """No call keeps a server from everybody else for long; but whoever brings more than that goes alone."""
    callers = [caller_of(joined, tasks("t0"))]
    callers += [caller_of(joined, tasks(*["t"] * count)) for count in (200, 200, 200, 900, 1)]
    await asyncio.sleep(0)
    gate.let_go.set()
    receipts = await asyncio.gather(*callers)
    assert [len(call) for call in gate.calls] == [1, 400, 200, 900, 1]
    assert [len(each) for each in receipts] == [1, 200, 200, 200, 900, 1]


async def test_a_failure_is_told_to_all_that_went_together(gate: Gate, joined: JoinedPublishing):
    """And one can publish again afterwards."""
    callers = await begun(joined, "t1", "t2", "t3")
    gate.failure = BackendUnavailable("fake", "nowhere", "it is away")
    gate.let_go.set()
    assert await asyncio.gather(*callers, return_exceptions=True) == [gate.failure] * 3
    gate.failure = None
    await joined.publish(tasks("t4"))
    assert gate.calls == [["t1"], ["t2", "t3"], ["t4"]]


async def test_a_refusal_is_told_to_its_own_caller(gate: Gate, joined: JoinedPublishing):
    """The others of the same call have what they came for."""
    callers = await begun(joined, "t1", "t2", "t3")
    gate.refused = {"t2"}
    gate.let_go.set()
    receipts = await asyncio.gather(*callers)
    assert [receipt.confirmation.value for (receipt,) in receipts] == ["confirmed", "failed", "confirmed"]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_caller_takes_no_other_along(gate: Gate, joined: JoinedPublishing, cancelled):
    """Whether it is the one that calls or one that waits; what the latter brought is not sent behind its back."""
    callers = await begun(joined, "t1", "t2", "t3")
    callers[cancelled].cancel()
    gate.let_go.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [n == cancelled for n in range(3)]
    assert gate.calls == [["t1"], ["t2", "t3"] if cancelled == 0 else ["t3"]]
    await joined.publish(tasks("t4"))
    assert gate.calls[-1] == ["t4"]


async def test_nothing_is_called_for_those_who_have_all_left(gate: Gate, joined: JoinedPublishing):
    """And one can publish again afterwards."""
    callers = await begun(joined, "t1", "t2", "t3")
    for caller in callers[1:]:
        caller.cancel()
    gate.let_go.set()
    await asyncio.gather(*callers, return_exceptions=True)
    await joined.publish(tasks("t4"))
    assert gate.calls == [["t1"], ["t4"]]


# --- calls that begin before they are awaited -------------------------------------------------------------------------


class EagerGate(Gate):
    """A call is on its way once it is made, as over a line that is open."""

    def publish(self, tasks: Sequence[Task]) -> Coroutine[object, object, Sequence[Receipt]]:
        if self.failure is not None and len(self.calls) > 0:
            raise self.failure
        self.calls.append([task.task_id for task in tasks])
        return self._told(tasks)

    async def _told(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        await self.let_go.wait()
        return [Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED) for task in tasks]


@pytest.fixture
def eager() -> EagerGate:
    return EagerGate()


async def test_so_many_as_are_enough_wait_for_no_reply(eager: EagerGate):
    """They are on their way before the loop comes round again; but no more than three calls at once."""
    joined = JoinedPublishing(eager.publish, enough=10)
    callers = [caller_of(joined, tasks(f"t{number}")) for number in range(40)]
    await asyncio.sleep(0)
    assert [len(call) for call in eager.calls] == [1, 10, 10]
    eager.let_go.set()
    receipts = await asyncio.gather(*callers)
    assert [len(call) for call in eager.calls] == [1, 10, 10, 19]
    assert [receipt.task_id for (receipt,) in receipts] == [f"t{number}" for number in range(40)]
    await joined.publish(tasks("alone"))
    assert eager.calls[-1] == ["alone"]


async def test_who_is_cancelled_among_them_takes_no_other_along(eager: EagerGate):
    """Also the one with whom they were enough."""
    joined = JoinedPublishing(eager.publish, enough=3)
    callers = await begun(joined, "t0", "t1", "t2", "t3", "t4")
    callers[3].cancel()
    eager.let_go.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [n == 3 for n in range(5)]
    assert eager.calls == [["t0"], ["t1", "t2", "t3"], ["t4"]]


async def test_a_call_that_cannot_even_begin_is_told_to_all_of_it(eager: EagerGate):
    """And one can publish again afterwards."""
    joined = JoinedPublishing(eager.publish, enough=3)
    eager.failure = BackendUnavailable("fake", "nowhere", "it is away")
    callers = await begun(joined, "t0", "t1", "t2", "t3", "t4")
    eager.let_go.set()
    first, *others = await asyncio.gather(*callers, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert others == [eager.failure] * 4
    eager.failure = None
    await joined.publish(tasks("t5"))
    assert eager.calls == [["t0"], ["t5"]]
