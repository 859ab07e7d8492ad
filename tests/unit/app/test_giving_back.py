"""Runs given back by a worker that goes on, or that leaves: each once, and none that is here again by then."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.values import replace
from tests.unit.app.desk import Desk
from tests.unit.app.workshop import Workshop


async def test_what_is_given_back_may_be_here_again_before_that_is_known(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    """Due at once, it is claimed by this very worker while the store's answer is under way: the new grant stays."""
    desk = Desk(shop)
    (given,) = await desk.begin()
    holding = desk.custody.get(given.run.key)
    assert holding is not None
    newer = replace(given, run=replace(given.run, fence=2))
    release = shop.runs.release

    async def release_and_claim(*args):
        await release(*args)
        desk.custody.add([newer], 1.0, is_fresh=False)

    monkeypatch.setattr(shop.runs, "release", release_and_claim, raising=False)
    desk.finishes.give_back([holding])
    await desk.finishes._release_some()
    kept = desk.custody.get(given.run.key)
    assert kept is not None
    assert kept.grant is newer


async def test_what_is_to_be_given_back_waits_for_no_pause_between_outcomes(
    shop: Workshop, desk: Desk, loop_of, monkeypatch: pytest.MonkeyPatch
):
    """A busy agent always has some; another one's runs are everybody's again all the same."""
    slow, first, *others = await desk.begin(12)
    holding = desk.custody.get(slow.run.key)
    assert holding is not None
    finish, outcomes = shop.runs.finish, list(others)

    async def finish_and_report(*args):
        if outcomes:
            desk.returned(outcomes.pop())
            desk.finishes.give_back([holding] if len(outcomes) == len(others) - 1 else [])
        assert outcomes or shop.state(slow.run.task_id) == "queued", "it still waits behind the last outcome"
        return await finish(*args)

    monkeypatch.setattr(shop.runs, "finish", finish_and_report, raising=False)
    loop_of(desk.finishes.run())
    desk.returned(first)
    await shop.until(lambda: not len(desk.custody))
    assert shop.state(slow.run.task_id) == "queued"


async def test_a_worker_in_a_hurry_gives_nothing_back_twice(shop: Workshop, desk: Desk, loop_of):
    """What is being given back already is given back before all else is."""
    first, *_ = await desk.begin(3)
    holding = desk.custody.get(first.run.key)
    assert holding is not None
    gate = shop.runs.hold("release")
    running = loop_of(desk.finishes.run())
    desk.finishes.give_back([holding])
    await shop.until(lambda: shop.runs.calls["release"] == 1)
    releasing = asyncio.create_task(desk.finishes.release_all())
    await shop.rest()
    assert shop.runs.calls["release"] == 1, "two calls of a lane at once"
    gate.set()
    assert await releasing == 2
    assert not running.done()
    assert not len(desk.custody)


async def test_a_lost_run_that_waits_for_a_slot_is_not_begun(shop: Workshop):
    """Also of an agent whose handlers go on to their end: there is none yet."""
    desk = Desk(shop, on_lost_lease="finish")
    await shop.registry.register([desk.agent.profile])
    lost, begun = await desk.begin(2)
    desk.crew.waits = [each for each in desk.crew.assigned if each.grant is lost]
    for grant in (lost, begun):
        run = shop.space.runs[grant.run.key]
        shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2")
    await desk.renewals.renew()
    assert not desk.crew.waits
    assert [holding.grant for holding in desk.custody.all()] == [begun]
    assert not desk.custody.owned()
