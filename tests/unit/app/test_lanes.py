"""Gate calls that are repeated, and loops that are held up."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest

from omnidaemon.app.lag import LagWatch
from omnidaemon.app.lanes import Lane, Persistence
from omnidaemon.app.outages import Outages
from omnidaemon.domain.errors import BackendUnusable, DataLost
from omnidaemon.domain.requests import Request
from omnidaemon.ports.telemetry import Level
from tests.unit.app.faults import Sayings, away, broken
from tests.unit.app.workshop import Workshop


class Gate:
    """Fails as often as it is told, and keeps when and under which request it was asked."""

    def __init__(self, shop: Workshop, failures: int = 0, error=away):
        self.shop = shop
        self.failures = failures
        self.error = error
        self.asked: list[tuple[float, Request | None]] = []

    async def __call__(self, request: Request | None = None) -> str:
        self.asked.append((self.shop.clock.now().steady, request))
        if len(self.asked) <= self.failures:
            raise self.error()
        return "answer"


async def test_each_call_has_the_next_request_and_keeps_it_while_it_is_repeated(shop: Workshop):
    """So that the store can tell a repetition from a new call."""
    lane = Lane("w1", "begin", shop.clock, Outages(shop.clock, shop.says))
    gate = Gate(shop, failures=3)
    calling = asyncio.create_task(lane.call(gate))
    await shop.until(calling.done, moving=0.1)
    assert calling.result() == "answer"
    assert {request for _, request in gate.asked} == {Request("w1", "begin", 1)}
    again = Gate(shop)
    await lane.call(again)
    assert again.asked[0][1] == Request("w1", "begin", 2)


async def test_pauses_grow_to_a_second_and_the_outage_is_told_once(shop: Workshop):
    """At most one call a second in the long run; one line when it begins, one when it is over."""
    persistence = Persistence(shop.clock, Outages(shop.clock, shop.says))
    gate = Gate(shop, failures=20)
    calling = asyncio.create_task(persistence.call(gate))
    await shop.pass_time(30.0, step=0.05)
    assert calling.done()
    times = [at for at, _ in gate.asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] <= 0.1
    assert all(0.75 <= pause <= 1.25 for pause in pauses[6:])
    assert [level for level, _ in shop.says.lines] == [Level.WARNING, Level.INFO]
    assert "memory at here: away for a while; trying again" in shop.says.lines[0][1]
    assert "memory at here answers again, after 1" in shop.says.lines[1][1]


async def test_an_outage_that_many_meet_is_told_once(shop: Workshop):
    """By the first who meets it; over it is when one gets through, whatever becomes of calls under way by then."""
    outages = Outages(shop.clock, shop.says)
    gates = [Gate(shop, failures=failures) for failures in (3, 4, 4, 9)]
    calls = [asyncio.create_task(Persistence(shop.clock, outages).call(gate)) for gate in gates]
    await shop.until(calls[0].done, moving=0.05)
    calls[3].cancel()
    await shop.until(calls[1].done, moving=0.05)
    await shop.until(calls[2].done, moving=0.05)
    assert [level for level, _ in shop.says.lines] == [Level.WARNING, Level.INFO]


def levels(shop: Workshop) -> list[Level]:
    """What was said, in order."""
    return [level for level, _ in shop.says.lines]


async def test_an_outage_that_follows_upon_another_is_told(shop: Workshop):
    """Also when all who meet it have waited for the end of the first."""
    outages = Outages(shop.clock, shop.says)
    for who in (1, 2):
        outages.met(who, away())
    outages.answered(1)
    await shop.pass_time(11.0)
    for _ in range(2):
        outages.met(2, away())
    assert levels(shop) == [Level.WARNING, Level.INFO, Level.WARNING]


async def test_an_outage_that_follows_at_once_is_told_where_all_had_got_through(shop: Workshop):
    """Nobody's failure can be one of the first."""
    outages = Outages(shop.clock, shop.says)
    for _ in range(2):
        for who in (1, 2):
            outages.met(who, away())
        for who in (1, 2):
            outages.answered(who)
    assert levels(shop) == [Level.WARNING, Level.INFO] * 2


async def test_whoever_still_fails_while_others_get_through_is_told_of_once(shop: Workshop):
    """However often the others fail and recover; it is over when all have got through."""
    outages = Outages(shop.clock, shop.says)
    for _ in range(30):
        outages.met("unlucky", away())
        outages.met("lucky", away())
        await shop.pass_time(1.0)
        outages.answered("lucky")
    assert levels(shop) == [Level.WARNING, Level.INFO, Level.WARNING]
    outages.answered("unlucky")
    assert levels(shop) == [Level.WARNING, Level.INFO] * 2
    outages.met("unlucky", away())
    assert levels(shop)[4:] == [Level.WARNING], "a new one"


async def test_whoever_gets_through_some_seconds_later_is_no_news(shop: Workshop):
    """Each loop has its own pauses, and its own connection."""
    outages = Outages(shop.clock, shop.says)
    for who in (1, 2):
        outages.met(who, away())
    outages.answered(1)
    for _ in range(5):
        await shop.pass_time(1.0)
        outages.met(2, away())
    outages.answered(2)
    assert levels(shop) == [Level.WARNING, Level.INFO]


async def test_an_outage_whose_last_witness_is_cancelled_ends_unsaid(shop: Workshop):
    """Nobody knows that it is over; the next one is told anew."""
    outages = Outages(shop.clock, shop.says)
    for _ in range(2):
        call = asyncio.create_task(Persistence(shop.clock, outages).call(Gate(shop, failures=9)))
        await shop.rest()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert [level for level, _ in shop.says.lines] == [Level.WARNING] * 2


async def test_what_is_lost_is_told_in_the_midst_of_an_outage(shop: Workshop):
    """Each time: it is no word of the same thing."""
    outages = Outages(shop.clock, shop.says)
    outages.met(1, away())
    for _ in range(2):
        outages.met(2, DataLost("memory", "here", "LOST TASKS"))
    outages.answered(2)
    assert [level for level, _ in shop.says.lines] == [Level.WARNING, Level.ERROR, Level.ERROR]


async def test_an_error_that_cannot_pass_is_raised_at_once(shop: Workshop):
    """Repeating it would only hide it."""
    gate = Gate(shop, failures=9, error=broken)
    with pytest.raises(BackendUnusable):
        await Persistence(shop.clock, Outages(shop.clock, shop.says)).call(gate)
    assert len(gate.asked) == 1
    assert not shop.says.lines


# --- lag --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_lag(monkeypatch: pytest.MonkeyPatch):
    """The watch measures this process in real time: here in hundredths of seconds."""
    for name, seconds in (("_PERIOD_SECONDS", 0.01), ("_BLOCKED_SECONDS", 0.05), ("_LATE_SECONDS", 0.1)):
        monkeypatch.setattr(f"omnidaemon.app.lag.{name}", seconds)


class WatchedLoop:
    """An agents' loop in a thread of its own, watched from the test's loop."""

    def __init__(self, says: Sayings):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.closings: list[str] = []
        self.watch = LagWatch(
            agents_loop=self.loop,
            culprit=lambda: "agent a/b",
            telemetry=says,
            on_closed=lambda: self.closings.append("closed"),
        )
        self.watching = asyncio.create_task(self.watch.run())

    async def close(self) -> None:
        self.watching.cancel()
        await asyncio.gather(self.watching, return_exceptions=True)
        if not self.loop.is_closed():
            self.end()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
async def watched(shop: Workshop, quick_lag):
    loop = WatchedLoop(shop.says)
    yield loop
    await loop.close()


async def test_an_agent_that_blocks_the_agents_loop_is_named_once(shop: Workshop, watched: WatchedLoop):
    """With how long, and what can be done; again only after half a minute."""
    let_go = threading.Event()
    watched.loop.call_soon_threadsafe(let_go.wait, 5)
    await shop.until(lambda: shop.says.having("agent a/b has blocked the agents' loop", "make the call async"))
    before = shop.says.lines.copy()
    let_go.set()
    await shop.until(lambda: time.monotonic() - watched.watch._answered_at < 0.02)
    assert shop.says.lines == before


async def test_an_engine_that_was_held_up_itself_says_by_whom(shop: Workshop, watched: WatchedLoop):
    """A call that never lets go of the interpreter stops both loops."""
    await shop.until(lambda: time.monotonic() - watched.watch._answered_at < 0.02)
    time.sleep(0.3)  # noqa: ASYNC251 - this is what the watch shall notice
    await shop.until(lambda: shop.says.having("the engine was held up", "agent a/b"))


async def test_an_agents_loop_that_was_closed_is_told_of_once(shop: Workshop, watched: WatchedLoop):
    """Whoever relies on it has to know: nobody executes anything any more."""
    await shop.rest()
    assert (watched.closings, shop.says.lines) == ([], [])
    watched.end()
    await asyncio.wait_for(watched.watching, 5)
    assert watched.closings == ["closed"]
    assert shop.says.having("loop of the agents was closed", "await sdk.stop()")


# --- calls that grant something ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_lane_is_answered_once_its_caller_has_the_answer(shop: Workshop, is_cancelled):
    """Whoever waits for that finds it in the caller's hands; one that is cancelled has none coming."""
    lane = Lane("w1", "begin", shop.clock, Outages(shop.clock, shop.says))
    let_go, hands = asyncio.Event(), []
    await asyncio.wait_for(lane.answered(), 5)  # nothing is under way

    async def gate(request: Request) -> str:
        await let_go.wait()
        return "grant"

    async def call():
        hands.append(await lane.call(gate))

    calling = asyncio.create_task(call())
    await shop.rest()
    answered = asyncio.create_task(lane.answered())
    await shop.rest()
    assert not answered.done()
    calling.cancel() if is_cancelled else let_go.set()
    await asyncio.wait_for(answered, 5)
    assert hands == ([] if is_cancelled else ["grant"])


async def test_a_lane_that_is_closed_asks_for_nothing_more(shop: Workshop):
    """What is under way goes on, and is repeated; who comes later is as good as cancelled."""
    lane = Lane("w1", "begin", shop.clock, Outages(shop.clock, shop.says))
    gate, late = Gate(shop, failures=3), Gate(shop)
    calling = asyncio.create_task(lane.call(gate))
    await shop.rest()
    lane.close()
    coming = asyncio.create_task(lane.call(late))
    await shop.until(calling.done, moving=0.1)
    assert (calling.result(), len(gate.asked)) == ("answer", 4)
    await asyncio.wait_for(lane.answered(), 5)
    assert (coming.cancelled(), late.asked) == (True, [])
