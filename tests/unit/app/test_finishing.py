"""Finishing: outcomes are recorded in batches, and none is let go of before it is recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnidaemon.app.bridge import Report, StopReason
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.gates import Gates
from omnidaemon.domain.outcome import AttemptError, ErrorKind, Expired, Failed, Returned
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.task import Unreadable
from omnidaemon.domain.values import replace
from omnidaemon.ports.telemetry import Level
from omnidaemon.testing.clock import ManualClock
from tests.unit.app.desk import Desk
from tests.unit.app.faults import broken
from tests.unit.app.workshop import TOPIC, Workshop


async def test_what_came_in_meanwhile_is_the_next_batch(shop: Workshop, desk: Desk, loop_of):
    """A batch does not wait to be filled, and is bounded: a thousand outcomes that wait make two calls more."""
    grants = await desk.begin(1001)
    gate = shop.runs.hold("finish")
    loop_of(desk.finishes.run())
    desk.returned(grants[0])
    await shop.rest()
    desk.returned(*grants[1:])
    gate.set()
    await shop.until(lambda: not len(desk.custody))
    assert shop.runs.calls["finish"] == 3
    assert {shop.state(grant.run.task_id) for grant in grants} == {"succeeded"}


async def test_outcomes_outlive_a_loop_that_fails(shop: Workshop, desk: Desk, loop_of):
    """A store that cannot be used ends the loop; begun anew, it records what it had."""
    grants = await desk.begin(3)
    shop.runs.fail("finish", error=broken)
    running = loop_of(desk.finishes.run())
    desk.returned(*grants)
    await shop.until(running.done)
    assert running.exception() is not None
    loop_of(desk.finishes.run())
    await shop.until(lambda: not len(desk.custody))
    assert {shop.state(grant.run.task_id) for grant in grants} == {"succeeded"}


async def test_a_lost_answer_costs_nothing(shop: Workshop, desk: Desk, loop_of):
    """The same request is asked again and gets the same answer: recorded, once."""
    (grant,) = await desk.begin()
    shop.runs.lose_answers("finish")
    loop_of(desk.finishes.run())
    desk.returned(grant)
    await shop.until(lambda: not len(desk.custody), moving=0.1)
    assert shop.state(grant.run.task_id) == "succeeded"
    assert not shop.says.having("too late")
    assert shop.space.metrics[desk.agent.subscription].tasks_processed == 1


async def test_an_outcome_of_a_grant_that_was_lost_is_passed_over(shop: Workshop, desk: Desk, loop_of):
    """It is another worker's to record; no call is made for it."""
    (grant,) = await desk.begin()
    desk.custody.remove([grant.run.key])
    loop_of(desk.finishes.run())
    desk.returned(grant)
    await shop.rest()
    assert shop.runs.calls["finish"] == 0


async def test_an_outcome_under_an_old_fence_is_refused_and_told(shop: Workshop, desk: Desk, loop_of):
    """The slot is free again, the store keeps what the newer owner does."""
    (grant,) = await desk.begin()
    run = shop.space.runs[grant.run.key]
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2")
    loop_of(desk.finishes.run())
    desk.returned(grant)
    await shop.until(lambda: not len(desk.custody))
    assert shop.state(grant.run.task_id) == "running"
    assert shop.says.having("too late", grant.run.task_id)


async def test_a_failed_attempt_is_told_of(shop: Workshop, desk: Desk, loop_of):
    """A warning with the agent, the attempt and the error."""
    (grant,) = await desk.begin()
    loop_of(desk.finishes.run())
    error = AttemptError(type="ValueError", message="no")
    desk.finishes.report([Report(grant, Failed(error=error), 0.1)])
    await shop.until(lambda: not len(desk.custody))
    assert shop.says.having("agent greeter", "attempt 1", "ValueError: no")


async def test_a_grant_that_is_being_recorded_is_not_taken_for_lost(shop: Workshop, desk: Desk, loop_of):
    """A renewal that overtakes the answer to the finish finds the run ended: that is no loss, and no warning."""
    (grant,) = await desk.begin()
    shop.runs.lose_answers("finish")  # committed, and the answer is under way
    loop_of(desk.finishes.run())
    desk.returned(grant)
    await shop.until(lambda: shop.state(grant.run.task_id) == "succeeded")
    assert len(desk.custody) == 1
    await desk.renewals.renew()
    assert not shop.says.having("lost")
    await shop.until(lambda: not len(desk.custody), moving=0.1)
    assert not shop.says.having("too late")


async def test_a_lost_lease_stops_the_handler_and_frees_the_slot(shop: Workshop, desk: Desk):
    """Somebody else executes it by now."""
    lost, kept = await desk.begin(2)
    run = shop.space.runs[lost.run.key]
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2")
    await desk.renewals.renew()
    assert desk.crew.stopped == [(lost.run.task_id, StopReason.LOST)]
    assert [holding.key for holding in desk.custody.all()] == [kept.run.key]
    assert shop.says.having("lost task", lost.run.task_id)


async def test_a_handler_that_may_finish_keeps_its_slot_after_its_lease_is_lost(shop: Workshop, loop_of):
    """It is told of once; its run is not renewed any more, and what it comes to is not even offered."""
    desk = Desk(shop, on_lost_lease="finish")
    await shop.registry.register([desk.agent.profile])
    lost, kept = await desk.begin(2)
    run = shop.space.runs[lost.run.key]
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2")
    await desk.renewals.renew()
    await desk.renewals.renew()
    assert not desk.crew.stopped
    assert len(desk.custody) == 2
    assert [holding.key for holding in desk.custody.owned()] == [kept.run.key]
    assert len(shop.says.having("lost task", lost.run.task_id, "goes on")) == 1
    offered = shop.runs.calls["finish"]
    desk.returned(lost)
    loop_of(desk.finishes.run())
    await shop.until(lambda: len(desk.custody) == 1)
    assert shop.runs.calls["finish"] == offered
    assert shop.space.runs[run.key].owner == "w2"
    assert shop.says.having("came to the end", lost.run.task_id, "not recorded")


async def test_what_goes_on_after_its_lease_was_lost_is_not_given_back(shop: Workshop):
    """It is another worker's: there is nothing to give."""
    desk = Desk(shop, on_lost_lease="finish")
    await shop.registry.register([desk.agent.profile])
    lost, kept = await desk.begin(2)
    run = shop.space.runs[lost.run.key]
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2")
    await desk.renewals.renew()
    assert await desk.finishes.release_all() == 1
    assert {task_id for task_id, _ in desk.crew.stopped} == {lost.run.task_id, kept.run.task_id}
    assert shop.space.runs[run.key].owner == "w2"
    assert not len(desk.custody)


async def test_a_cancelled_run_stops_its_handler_and_keeps_its_slot(shop: Workshop, desk: Desk):
    """Until it has stopped; how it ended is then recorded like any outcome."""
    (grant,) = await desk.begin()
    await shop.storage.commands.cancel(grant.run.task_id)
    await desk.renewals.renew()
    assert desk.crew.stopped == [(grant.run.task_id, StopReason.REQUESTED)]
    assert len(desk.custody) == 1


async def test_a_store_that_is_away_stops_no_handler_and_is_told_once(shop: Workshop, desk: Desk):
    """Whether a lease has lapsed is for the store to say, once it is back."""
    await desk.begin()
    shop.runs.go_away("renew")
    await desk.renewals.renew()
    await desk.renewals.renew()
    assert len(shop.says.having("memory at here: away for a while")) == 1
    shop.runs.come_back()
    await desk.renewals.renew()
    assert shop.says.having("memory at here answers again")
    shop.runs.go_away("renew")
    await desk.renewals.renew()
    assert len(shop.says.having("memory at here: away for a while")) == 2
    assert not desk.crew.stopped
    assert len(desk.custody) == 1


async def test_a_store_that_cannot_be_used_ends_the_renewals(shop: Workshop, desk: Desk):
    """For the supervision to tell a person and to begin anew."""
    shop.runs.fail("renew", error=broken)
    with pytest.raises(type(broken())):
        await desk.renewals.renew()


async def test_leases_are_renewed_well_before_they_run_out(shop: Workshop, desk: Desk, loop_of):
    """At least three times in each lease, whatever the jitter; hints cost at most two calls a second."""
    await desk.begin()
    loop_of(desk.renewals.run())
    await shop.pass_time(30.0)
    assert 4 <= shop.runs.calls["renew"] <= 7
    before = shop.runs.calls["renew"]
    for _ in range(100):
        desk.renewals._hint.set()
        await shop.pass_time(0.05, step=0.05)
    assert shop.runs.calls["renew"] - before <= 11


async def test_an_outcome_waits_for_the_ack_that_is_under_way(shop: Workshop, desk: Desk, loop_of):
    """Recorded before, its run would leave a tombstone for a delivery that is forgotten a moment later."""
    (grant,) = await desk.begin()
    (holding,) = desk.custody.all()
    holding.awaits_ack = True
    loop_of(desk.finishes.run())
    desk.returned(grant)
    await shop.rest()
    assert shop.space.runs[grant.run.key].state == "running"
    holding.is_acked, holding.awaits_ack = True, False
    desk.finishes.acks_settled()
    await shop.until(lambda: shop.space.runs[grant.run.key].is_acked)


class Choking(Gates):
    """The gates of a store that cannot keep one certain value."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def finish(self, request, finishes, found, now):
        if any(getattr(finish.decision, "result", None) == b'"indigestible"' for finish in finishes):
            raise self._error
        return super().finish(request, finishes, found, now)


@pytest.mark.parametrize("error", [TypeError("cannot bind this value"), InvalidValue("text", "?", "whole characters")])
async def test_an_outcome_that_a_store_cannot_keep_holds_up_no_other(shop: Workshop, desk: Desk, loop_of, error):
    """It is ended with an error that says so; those of its batch are recorded as they are."""
    shop.space.gates = Choking(error)
    good, odd, late = await desk.begin(3)
    loop_of(desk.finishes.run())
    desk.finishes.report(
        [
            Report(good, Returned(value=b"1")),
            Report(odd, Returned(value=b'"indigestible"')),
            Report(late, Returned(value=b"2")),
        ]
    )
    await shop.until(lambda: not len(desk.custody))
    runs = [shop.space.runs[grant.run.key] for grant in (good, odd, late)]
    assert [(run.state, run.result) for run in runs] == [("succeeded", b"1"), ("dead", None), ("succeeded", b"2")]
    assert runs[1].errors[-1].type == "OutcomeNotStorable"


@pytest.mark.parametrize(("is_newer", "state"), [(False, "dead"), (True, "queued")])
async def test_what_cannot_be_read_is_never_executed(shop: Workshop, desk: Desk, loop_of, is_newer, state):
    """Requeued, garbage is a dead letter again; what a newer version can read is put back for it."""
    garbage = Unreadable(task_id="x", topic=TOPIC, raw=b"?", reason="not JSON", is_newer=is_newer)
    subscription = desk.agent.subscription
    await desk.scripted.begin(HoldRun(task=garbage, subscription=subscription))
    claims = await desk.scripted.claim(desk.scripted.limit(subscription))
    loop_of(desk.finishes.run())
    desk.finishes.dispatch(desk.custody.add(claims.grants, 0.0, is_fresh=False))
    await shop.until(lambda: not len(desk.custody))
    assert shop.space.runs["x", subscription.agent].state == state
    assert not desk.crew.assigned


async def test_the_log_shows_no_result_and_no_novel(shop: Workshop, desk: Desk, loop_of):
    """Of a message the first line: what a result that cannot be encoded held is on the next. An ellipsis stands for
    what is left out."""
    first, second = await desk.begin(2)
    loop_of(desk.finishes.run())
    message = "$ is a set\n{'password': 'hunter2'}"
    secret = AttemptError(type="ResultNotEncodable", message=message, kind=ErrorKind.UNENCODABLE)
    novel = AttemptError(type="ValueError", message="x" * 9000 + "\nforged line")
    desk.finishes.report([Report(first, Failed(error=secret, is_final=True)), Report(second, Failed(error=novel))])
    await shop.until(lambda: not len(desk.custody))
    lines = shop.says.having("failed: ")
    assert len(lines) == 2
    assert "failed: ResultNotEncodable: $ is a set …; given up" in lines[0]
    assert "x…; again in" in lines[1]
    assert not [line for line in lines if "hunter2" in line or "forged" in line or len(line) > 2400]


async def test_the_log_has_the_whole_of_a_reason(shop: Workshop, desk: Desk, loop_of):
    """Whoever reads it there need not look it up."""
    (grant,) = await desk.begin(1)
    loop_of(desk.finishes.run())
    message = "the server says: " + "it is all too much, " * 80 + "come back tomorrow"
    desk.finishes.report([Report(grant, Failed(error=AttemptError(type="ValueError", message=message)))])
    await shop.until(lambda: not len(desk.custody))
    (line,) = shop.says.having("failed: ")
    assert f"ValueError: {message}; again in" in line


@pytest.mark.parametrize("tells_ends", [True, False])
async def test_runs_that_succeed_are_told_to_those_alone_who_want_it(shop: Workshop, loop_of, tells_ends):
    """A line for each, once it is recorded; none is made where nobody reads it."""
    desk = Desk(shop, tells_ends=tells_ends)
    first, second = await desk.begin(2)
    loop_of(desk.finishes.run())
    desk.finishes.report([Report(first, Failed(error=AttemptError(type="E", message="m")))])
    desk.returned(second)
    await shop.until(lambda: not len(desk.custody))
    told = f"agent greeter: task {second.run.task_id} succeeded in 100 ms"
    assert [line for line in shop.says.lines if "succeeded" in line[1]] == [(Level.DEBUG, told)] * tells_ends


async def test_the_log_has_the_traceback_for_those_who_look_closer(shop: Workshop, desk: Desk, loop_of):
    """Line by line, so that none of them can look like one of ours."""
    (grant,) = await desk.begin(1)
    loop_of(desk.finishes.run())
    error = AttemptError(type="KeyError", message="'name'", traceback='File "agents.py", line 3\nKeyError: ...')
    desk.finishes.report([Report(grant, Failed(error=error))])
    await shop.until(lambda: not len(desk.custody))
    assert shop.says.having('    File "agents.py", line 3')
    assert shop.says.having("    KeyError: ...")


async def test_a_run_that_is_not_even_started_is_told_of(shop: Workshop, desk: Desk, loop_of):
    """The last word on a poison task is that it is given up, not that somebody took it over."""
    (grant,) = await desk.begin(1)
    loop_of(desk.finishes.run())
    crashed = AttemptError(type="Crashed", message="its worker died 3 times", kind=ErrorKind.CRASH)
    desk.finishes.report([Report(grant, Expired(error=crashed))])
    await shop.until(lambda: not len(desk.custody))
    (said,) = shop.says.having("Crashed: its worker died 3 times; given up")
    assert "attempt" not in said  # none was made any more


@pytest.mark.parametrize("hours", [-2, 2], ids=["behind", "ahead"])
async def test_a_runs_age_is_the_stores(shop: Workshop, loop_of, hours: int):
    """A worker whose clock is hours off neither ends a run before its time nor gives it more."""
    clock = ManualClock(at=shop.clock.now().at + timedelta(hours=hours))
    desk = Desk(shop, clock, run_timeout=30.0, queue_timeout=30.0, backoff=10.0)
    await shop.registry.register([desk.agent.profile])
    (grant,) = await desk.begin()
    assert desk.crew.assigned[0].limit_seconds == 30.0

    clock.advance(19.0)
    error = AttemptError(type="E", message="boom")
    desk.finishes.report([Report(grant, Failed(error=error), 19.0)])
    loop_of(desk.finishes.run())
    await shop.until(lambda: not len(desk.custody))
    assert shop.state(grant.run.task_id) == "retrying"  # with 21 of its 30 seconds gone it would be dead
