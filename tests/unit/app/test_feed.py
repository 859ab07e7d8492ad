"""The feed of the journal: one reader for everybody, nothing skipped, nothing twice, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from omnidaemon.app.feed import BACKSTOP_SECONDS, PAGE_EVENTS, TAIL_EVENTS
from omnidaemon.app.task_events import TaskEvents
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.entrypoints.event_stream import FeedStream
from tests.unit.app.faults import broken
from tests.unit.app.workshop import Workshop, agent_of

MANY = TAIL_EVENTS + 3 * PAGE_EVENTS


async def write(shop: Workshop, *task_ids: str, topic: str = "document.made") -> None:
    at = shop.clock.now().at
    await shop.storage.journal.append(
        [JournalEvent(kind=EventKind.PUBLISHED, task_id=each, topic=topic, at=at) for each in task_ids]
    )


class Follower:
    """Takes what the feed gives, in a task of its own, and keeps it."""

    def __init__(self, events: AsyncIterator[JournalEvent]) -> None:
        self.seen: list[JournalEvent] = []
        self.task = asyncio.create_task(self._take(events), name="follower")

    async def _take(self, events: AsyncIterator[JournalEvent]) -> None:
        async for event in events:
            self.seen.append(event)

    @property
    def task_ids(self) -> list[str]:
        return [event.task_id for event in self.seen]


@pytest.fixture
async def follow(shop: Workshop):
    """Makes followers that have come to rest, and sees them out."""
    followers: list[Follower] = []

    async def follow_(**options) -> Follower:
        followers.append(Follower(shop.feed.follow(**options)))
        await shop.rest()
        return followers[-1]

    yield follow_
    for follower in followers:
        follower.task.cancel()
        with suppress(asyncio.CancelledError):
            await follower.task


async def test_a_follower_gets_what_happens_from_now_on(shop: Workshop, follow):
    """What was before is left out; a hint brings what is new without waiting for the backstop."""
    await write(shop, "before")
    follower = await follow()
    await write(shop, "a", "b")
    await write(shop, "c")
    await shop.pass_time(0.1, step=0.05)
    assert follower.task_ids == []
    shop.space.news.ring()
    await shop.pass_time(0.1, step=0.05)
    assert follower.task_ids == ["a", "b", "c"]


async def test_a_lost_hint_costs_no_more_than_the_backstop(shop: Workshop, follow):
    """Publishing rings no bell at all."""
    follower = await follow()
    task_id = await shop.publish("x", topic="document.made")
    await shop.pass_time(2 * BACKSTOP_SECONDS)
    assert [(event.task_id, event.kind) for event in follower.seen] == [(task_id, EventKind.PUBLISHED)]


async def test_a_follower_goes_on_from_a_position(shop: Workshop, follow):
    """From the beginning, from the middle, and on with what comes."""
    await write(shop, "a", "b", "c")
    whole = await follow(after=0)
    assert whole.task_ids == ["a", "b", "c"]
    rest = await follow(after=whole.seen[1].position)
    await write(shop, "d")
    await shop.pass_time(1.0)
    assert whole.task_ids == ["a", "b", "c", "d"]
    assert rest.task_ids == ["c", "d"]


async def test_a_follower_sees_one_task_or_the_topics_that_match(shop: Workshop, follow):
    """Patterns are those of a shell; a star takes in dots."""
    await write(shop, "a", topic="document.made")
    one, documents = await follow(after=0, task_id="b"), await follow(after=0, topic="document.*")
    parts = await follow(topic="*.part?")
    for task_id, topic in [("b", "document.made.twice"), ("c", "letter.part1"), ("d", "letter.part10"), ("b", "x")]:
        await write(shop, task_id, topic=topic)
        await shop.pass_time(1.0)
    assert one.task_ids == ["b", "b"]
    assert documents.task_ids == ["a", "b"]
    assert parts.task_ids == ["c"]


async def test_a_thousand_followers_cost_one_reader(shop: Workshop, follow):
    """Each hint costs one query, however many wait; those of other tasks are not even woken."""
    followers = [await follow() for _ in range(20)]
    others = [await follow(task_id=f"t{number}") for number in range(1000)]
    await shop.pass_time(1.0)
    journal = shop.ports["journal"]
    before = journal.calls["read"], journal.calls["latest"]
    for number in range(10):
        await write(shop, f"t{number}")
        await shop.pass_time(0.5)
    assert journal.calls["read"] - before[0] <= 30
    assert journal.calls["latest"] - before[1] <= 30
    expected = [f"t{number}" for number in range(10)]
    assert all(follower.task_ids == expected for follower in followers)
    assert [other.task_ids for other in others] == [[f"t{number}"] if number < 10 else [] for number in range(1000)]


async def test_a_store_that_rings_all_the_time_is_not_read_all_the_time(shop: Workshop, follow):
    """The reader has a pace."""
    await follow()
    before = shop.ports["journal"].calls["read"]
    for _ in range(100):
        shop.space.news.ring()
        await shop.pass_time(0.01, step=0.01)
    assert shop.ports["journal"].calls["read"] - before <= 21


async def test_a_follower_that_lags_reads_its_own_way(shop: Workshop, follow):
    """The feed keeps a short tail and no more; who comes back late still gets everything, in order."""
    keen = await follow()
    late = shop.feed.follow()
    await write(shop, "first")
    waiting = asyncio.ensure_future(anext(late))
    await shop.rest()
    await write(shop, "0")
    await shop.pass_time(1.0)
    assert (await waiting).task_id == "0"
    for number in range(1, MANY, 100):
        await write(shop, *(str(each) for each in range(number, min(number + 100, MANY))))
        await shop.pass_time(0.25)
    await shop.pass_time(1.0)
    assert len(shop.feed._tail) == TAIL_EVENTS
    assert keen.task_ids == ["first", *(str(number) for number in range(MANY))]
    assert [(await anext(late)).task_id for _ in range(MANY - 1)] == [str(number) for number in range(1, MANY)]


async def test_a_wait_that_is_cancelled_loses_nothing(shop: Workshop):
    """Whoever sends a sign of life now and then cancels each wait; also for a task of which nothing is heard."""
    following, of_task = shop.feed.follow(after=0), shop.feed.follow(after=0, task_id="t7")
    seen: list[str] = []
    for number in range(10):
        await write(shop, f"t{number}")
        waits = [asyncio.ensure_future(anext(each)) for each in (following, of_task)]
        await shop.pass_time(0.4, step=0.1)
        for wait in waits:
            wait.cancel()
            with suppress(asyncio.CancelledError):
                seen.append((await wait).task_id)
    reads = shop.ports["journal"].calls["read"]
    rest = asyncio.ensure_future(anext(of_task))
    await shop.rest()
    assert shop.ports["journal"].calls["read"] == reads, "it is known that there was nothing"
    rest.cancel()
    assert sorted(seen) == sorted([*(f"t{number}" for number in range(10)), "t7"])


FOLLOWINGS = {
    "feed": lambda shop, task_id, after: shop.feed.follow(after),
    "feed of one task": lambda shop, task_id, after: shop.feed.follow(after, task_id),
    "task_events": lambda shop, task_id, after: TaskEvents(shop.feed, shop.queries, task_id, after),
    "stream": lambda shop, task_id, after: FeedStream(runtime_of(shop), after, task_id, None),
}


def runtime_of(shop: Workshop) -> Callable[[], Awaitable[Any]]:
    """What a stream asks for its feed."""

    async def runtime() -> Any:
        return SimpleNamespace(feed=shop.feed, queries=shop.queries)

    return runtime


@pytest.mark.parametrize("is_cancelled_first", [False, True])
@pytest.mark.parametrize("following", FOLLOWINGS)
async def test_a_wait_that_is_cancelled_in_the_tick_of_the_news_loses_nothing(
    shop: Workshop, following, is_cancelled_first
):
    """The news wakes the wait and the sign of life cancels it, or the other way round, before the wait gets to run."""
    task_id = await shop.publish("x")
    after = await shop.feed.latest()
    events = FOLLOWINGS[following](shop, task_id, after)
    wait = asyncio.ensure_future(anext(events))
    await shop.rest()
    await write(shop, task_id)
    page = await shop.storage.journal.read(after, None, PAGE_EVENTS)
    acts = [lambda: shop.feed._add(page), wait.cancel]
    for act in reversed(acts) if is_cancelled_first else acts:
        act()
    with pytest.raises(asyncio.CancelledError):
        await wait
    again = asyncio.ensure_future(anext(events))
    await shop.pass_time(1.0)
    assert again.done(), "the event is lost"
    assert (await again).position == page[0].position


async def test_a_store_that_is_away_for_a_while_is_waited_for(shop: Workshop, follow):
    """Followers go on where they were, those too who come in the meantime; it is said once."""
    await write(shop, "a")
    follower = await follow(after=0)
    shop.ports["journal"].go_away()
    with pytest.raises(BackendUnavailable):
        await shop.feed.latest()
    newcomer = await follow(after=0)
    await write_anyway(shop, "b")
    await shop.pass_time(5.0)
    assert follower.task_ids == ["a"]
    shop.ports["journal"].come_back()
    await shop.pass_time(2.0)
    assert follower.task_ids == newcomer.task_ids == ["a", "b"]
    assert len(shop.says.having("cannot be followed")) == 1


async def write_anyway(shop: Workshop, task_id: str) -> None:
    """As another process does, for which the store is not away."""
    event = JournalEvent(kind=EventKind.PUBLISHED, task_id=task_id, topic="document.made", at=shop.clock.now().at)
    with shop.space.transaction():
        shop.space.write_events([event])


async def test_a_journal_that_has_lost_its_data_is_followed_from_its_beginning(shop: Workshop, follow):
    """Positions from before mean nothing any more: neither a follower's nor a newcomer's."""
    await write(shop, *(f"old{number}" for number in range(10)))
    follower = await follow()
    shop.space.journal.clear()
    shop.space.latest_event = 0
    await write(shop, "new")
    for _ in range(20):  # others keep the store busy
        shop.space.news.ring()
        await shop.pass_time(0.05, step=0.05)
    newcomer = await follow(after=10)
    await write(shop, "newer")
    await shop.pass_time(1.0)
    assert follower.task_ids == newcomer.task_ids == ["new", "newer"]


@pytest.mark.parametrize("error", [broken, lambda: KeyError("a bug")])
async def test_what_cannot_pass_ends_every_following(shop: Workshop, follow, error):
    """With the error, not with silence; whoever comes later is served again."""
    followers = [await follow(), await follow(task_id="a")]
    shop.ports["journal"].fail("read", error=error)
    await shop.pass_time(1.0)
    for follower in followers:
        with pytest.raises((BackendUnusable, KeyError)):
            await follower.task
        follower.task = asyncio.create_task(asyncio.sleep(0))
    later = await follow()
    await write(shop, "a")
    await shop.pass_time(1.0)
    assert later.task_ids == ["a"]


async def test_the_reader_leaves_with_the_last_follower(shop: Workshop):
    """And comes back for the next, also when a lot has happened meanwhile: nobody reads what nobody asked for."""
    follower = Follower(shop.feed.follow())
    await shop.rest()
    listeners = len(shop.space.news._listeners)
    follower.task.cancel()
    await shop.pass_time(10.0)
    assert len(shop.space.news._listeners) == listeners - 1
    await write(shop, "t", *(str(number) for number in range(MANY)))
    before = shop.ports["journal"].calls["read"]
    second = Follower(shop.feed.follow(after=0, task_id="t"))
    await shop.rest()
    assert second.task_ids == ["t"]
    assert shop.ports["journal"].calls["read"] - before <= 3
    second.task.cancel()


async def test_closing_ends_every_following(shop: Workshop):
    """Cleanly; also one that waits for a store that is away, and one that comes later."""
    followers = [Follower(shop.feed.follow()), Follower(shop.feed.follow(task_id="x"))]
    await shop.rest()
    shop.ports["journal"].go_away()
    followers.append(Follower(shop.feed.follow(after=0)))
    await shop.rest()
    await shop.feed.close()
    followers.append(Follower(shop.feed.follow()))
    await asyncio.wait_for(asyncio.gather(*(follower.task for follower in followers)), 5)
    assert all(follower.seen == [] for follower in followers)


async def test_a_task_is_followed_through_its_life(shop: Workshop, follow):
    """From its publication to its end, as a worker makes it."""
    follower = await follow()
    await shop.start(agent_of(lambda payload: payload))
    task_id = await shop.publish("x")
    await shop.ended(task_id)
    await shop.pass_time(1.0)
    kinds = [event.kind for event in follower.seen if event.task_id == task_id]
    assert sorted(kinds) == ["published", "started", "succeeded"]
    assert kinds.index(EventKind.STARTED) < kinds.index(EventKind.SUCCEEDED)
