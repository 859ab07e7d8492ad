"""Custody: slots, who may take how much of them, and who is told when that changes."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from omnidaemon.app.bridge import Report
from omnidaemon.app.custody import Custody
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import Returned
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.testing.clock import ManualClock
from tests.unit.app.workshop import TOPIC, agent_of

GREETER = Subscription(TOPIC, "greeter")
OTHER = Subscription(TOPIC, "other")


async def handler(payload):
    return payload


def custody_of(**concurrency):
    agents = [agent_of(handler, name, concurrency=slots) for name, slots in concurrency.items()]
    return Custody({agent.subscription: agent for agent in agents})


def grant(task_id, subscription=GREETER, fence=1):
    now: Instant = ManualClock().now()
    run = Run(task_id=task_id, subscription=subscription, state=RunState.RUNNING, queued_at=now.at, fence=fence)
    return Grant(run=run, task=None, at=now.at)  # type: ignore[arg-type]  # custody does not look at it


def take(custody, *task_ids, is_fresh=True, subscription=GREETER):
    return custody.add([grant(task_id, subscription) for task_id in task_ids], 0.0, is_fresh=is_fresh)


def reports(*grants, seconds=0.1):
    return [Report(each, Returned(value=b"1"), seconds) for each in grants]


def test_a_grant_takes_a_slot_of_its_agent_until_it_is_removed():
    """Slots are counted per agent; removing what is not held frees nothing."""
    custody = custody_of(greeter=3, other=1)
    first, _ = take(custody, "t1", "t2")
    assert (custody.free(GREETER), custody.free(OTHER), len(custody)) == (1, 1, 2)
    assert custody.get(("t1", "greeter")) is first
    custody.remove([("t1", "greeter"), ("t9", "greeter")])
    custody.remove([("t1", "greeter")])
    assert (custody.free(GREETER), len(custody)) == (2, 1)
    assert [holding.key for holding in custody.all()] == [("t2", "greeter")]


def test_a_second_grant_of_the_same_run_takes_no_second_slot():
    """A worker may be given its own run again, after a freeze; the slot must not leak."""
    custody = custody_of(greeter=2)
    take(custody, "t1")
    (newer,) = custody.add([grant("t1", fence=2)], 1.0, is_fresh=False)
    assert (custody.free(GREETER), len(custody)) == (1, 1)
    assert custody.get(("t1", "greeter")) is newer
    custody.remove([("t1", "greeter")])
    assert custody.free(GREETER) == 2


def test_a_holding_is_named_to_the_gates_with_its_fence_and_ack():
    """Of an ack is known what the store knows, until the intake knows more."""
    custody = custody_of(greeter=3)
    (fresh,) = take(custody, "t1")
    (due,) = take(custody, "t2", is_fresh=False)
    assert (fresh.as_held().is_acked, due.as_held().is_acked) == (False, False)
    assert (due.as_held().task_id, due.as_held().agent, due.as_held().fence) == ("t2", "greeter", 1)


def test_more_grants_than_slots_leave_no_negative_room():
    """Two intakes may cross; then the agent has no room, not less than none."""
    custody = custody_of(greeter=1)
    take(custody, "t1", "t2")
    assert (custody.free(GREETER), custody.room_for_fresh(GREETER), custody.room_for_due(GREETER)) == (0, 0, 0)


def test_a_slot_is_free_once_its_handler_has_returned():
    """The next tasks are taken in while the store records the last ones. Another grant of the run is another thing."""
    custody = custody_of(greeter=2)
    first, second = take(custody, "t1", "t2")
    custody.returned(reports(first.grant, first.grant, grant("t2", fence=9), grant("t9")), 1.0)
    assert (custody.free(GREETER), len(custody), custody.executing) == (1, 2, 1)
    custody.remove([first.key])
    assert (custody.free(GREETER), len(custody), custody.executing) == (1, 1, 1)
    custody.returned(reports(second.grant), 1.0)
    custody.add([grant("t2", fence=2)], 1.0, is_fresh=False)
    assert (custody.free(GREETER), len(custody)) == (1, 1)


def test_what_waits_to_be_recorded_cannot_grow():
    """Twice as many as there are slots: from then on each slot waits for the store."""
    custody = custody_of(greeter=2)
    for names in (("t1", "t2"), ("t3", "t4")):
        custody.returned(reports(*(holding.grant for holding in take(custody, *names))), 1.0)
    assert (custody.free(GREETER), len(custody)) == (0, 4)
    custody.remove([("t1", "greeter")])
    assert custody.free(GREETER) == 1


async def test_emptied_returns_once_nothing_is_held():
    """At once for an empty custody, else when the last grant goes."""
    custody = custody_of(greeter=2)
    await custody.emptied()
    take(custody, "t1", "t2")
    waiting = asyncio.create_task(custody.emptied())
    for key in (("t1", "greeter"), ("t2", "greeter")):
        await asyncio.sleep(0)
        assert not waiting.done()
        custody.remove([key])
    await waiting


# --- who is told ------------------------------------------------------------------------------------------------------


def test_freed_slots_and_changed_stops_are_told_and_nothing_else():
    """Each notice costs a look at the store, so there are none without a reason."""
    custody = custody_of(greeter=2, other=2)
    notices = []
    custody.on_freed(lambda: notices.append("one"))
    custody.on_freed(lambda: notices.append("two"))
    take(custody, "t1")
    custody.remove([("t9", "greeter")])
    assert notices == []
    custody.remove([("t1", "greeter")])
    assert notices == ["one", "two"]
    custody.stop([GREETER])
    custody.stop([GREETER, Subscription("else", "where")])
    assert notices == ["one", "two"] * 2
    assert (custody.is_stopped(GREETER), custody.is_stopped(OTHER)) == (True, False)
    custody.stop([])
    assert notices == ["one", "two"] * 3
    assert not custody.is_stopped(GREETER)


# --- fairness ---------------------------------------------------------------------------------------------------------


def freed_slots_go_to(custody, order, *, fresh=True, due=True, slots=400, batch=1):
    """How many of the slots that come free one after the other each side gets, when it may ask in this order."""
    shares: Counter[str] = Counter()
    rooms = {"fresh": custody.room_for_fresh, "due": custody.room_for_due}
    has_work = {"fresh": fresh, "due": due}
    number = 0
    custody.saw_fresh(GREETER, waits=fresh)
    custody.saw_due(GREETER, waits=due)
    for turn in range(slots):
        for side in order(turn):
            got = min(rooms[side](GREETER), batch) if has_work[side] else 0
            holdings = take(custody, *(f"{number + n}" for n in range(got)), is_fresh=side == "fresh")
            number += got
            shares[side] += got
            note = custody.saw_fresh if side == "fresh" else custody.saw_due
            note(GREETER, waits=has_work[side])
            custody.remove([holding.key for holding in holdings])
    return shares


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(
    "order",
    [lambda turn: ("fresh", "due"), lambda turn: ("due", "fresh"), lambda turn: ("fresh",) * 9 + ("due",)],
    ids=["fresh first", "due first", "fresh asks more often"],
)
def test_while_both_sides_have_work_each_gets_a_quarter_of_the_freed_slots(order, batch):
    """Whoever asks first or more often."""
    shares = freed_slots_go_to(custody_of(greeter=batch), order, batch=batch)
    assert min(shares.values()) >= sum(shares.values()) / 4 - batch, shares


@pytest.mark.parametrize("side", ["fresh", "due"])
def test_a_side_that_is_alone_gets_every_slot(side):
    """No slot is kept for work that is not there."""
    custody = custody_of(greeter=8)
    shares = freed_slots_go_to(
        custody, lambda turn: ("fresh", "due"), fresh=side == "fresh", due=side == "due", slots=50, batch=8
    )
    assert shares[side] == 50 * 8


def test_a_side_that_ran_dry_has_no_claim_on_what_it_did_not_use():
    """After an hour of fresh tasks alone, due runs do not get three times as many first."""
    custody = custody_of(greeter=4)
    freed_slots_go_to(custody, lambda turn: ("fresh",), due=False, slots=1000)
    custody.saw_due(GREETER, waits=True)
    custody.saw_fresh(GREETER, waits=True)
    assert custody.room_for_due(GREETER) == 3
    assert custody.room_for_fresh(GREETER) == 3


def test_what_one_side_got_while_the_other_had_nothing_is_of_no_account():
    """Though it was seen that more waits before that was taken into custody."""
    custody = custody_of(greeter=100)
    custody.saw_fresh(GREETER, waits=True)
    custody.remove([holding.key for holding in take(custody, *(f"t{number}" for number in range(100)))])
    custody.saw_due(GREETER, waits=True)
    assert (custody.room_for_fresh(GREETER), custody.room_for_due(GREETER)) == (3, 3)


def test_agents_do_not_share_their_slots():
    """What waits for one agent takes no room from another."""
    custody = custody_of(greeter=4, other=4)
    custody.saw_due(GREETER, waits=True)
    custody.saw_fresh(GREETER, waits=True)
    take(custody, "t1", "t2", "t3")
    assert custody.room_for_fresh(GREETER) == 0
    assert custody.due_waits(GREETER)
    assert custody.room_for_fresh(OTHER) == 4
    assert not custody.due_waits(OTHER)


def test_more_is_taken_in_than_there_are_slots_for_by_the_pace_of_what_has_run():
    """What came to an end without having run says nothing of how fast slots are freed."""
    custody = custody_of(greeter=10)
    now = 100.0
    for seconds, ahead in ((0.0, 0), (0.001, 10)):
        for _ in range(4):
            now += 0.0201
            held = take(custody, *(f"t{at}" for at in range(10)))
            custody.returned(reports(*(each.grant for each in held), seconds=seconds), now)
            custody.remove(each.key for each in held)
        assert custody.ahead(GREETER) == pytest.approx(ahead, abs=1)
        assert custody.free(GREETER) == 10 + custody.ahead(GREETER)
    assert custody.free(GREETER, 0) == 10
    custody.has_slowed(GREETER)
    assert custody.free(GREETER) == 10
