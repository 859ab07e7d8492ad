"""Deliveries that a store chokes on: what came with them is begun all the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.ports.telemetry import Level
from tests.unit.app.acking_store import begun_and_acked_together
from tests.unit.app.faults import broken
from tests.unit.app.handlers import Gated
from tests.unit.app.workshop import Workshop, agent_of, declared


class Choking:
    """A store that raises the next of these errors whenever it shall begin the poison, alone or with others, and is
    mended when there are no more."""

    def __init__(self, store: Any, errors: Iterable[BaseException]) -> None:
        self._store = store
        self._errors = iter(errors)
        self.poison: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def begin(self, request, intakes):
        if self.poison.intersection(intake.task.task_id for intake in intakes):
            for error in self._errors:
                raise error
        return await self._store.begin(request, intakes)

    def mend(self) -> None:
        """Choke on nothing any more."""
        self.poison.clear()


def choking(shop: Workshop, errors: Iterable[BaseException] | None = None) -> Choking:
    """The workshop's store, which chokes from now on, by default as often as it is asked."""
    store = shop.runs._port = Choking(shop.runs._port, errors or (UnicodeError() for _ in itertools.count()))
    return store


async def published(shop: Workshop, *payloads: str) -> list[str]:
    """Their ids. They wait on the bus, and come in one batch."""
    await declared(shop, "greeter")
    return [await shop.publish(payload) for payload in payloads]


async def on_the_bus(shop: Workshop) -> tuple[int, int]:
    """How many wait, and how many are held."""
    (depth,) = await shop.real_bus.depths()
    return depth.waiting, depth.held


def unencodable() -> InvalidValue:
    """What an adapter makes of a text that its server cannot be told."""
    return InvalidValue("a name or a text", "\udc80", "one that UTF-8 can carry")


@pytest.mark.parametrize("error", [UnicodeError, unencodable])
@pytest.mark.parametrize("is_one_transaction", [False, True])
async def test_what_came_with_a_delivery_that_cannot_be_begun_is_begun(
    shop: Workshop,
    gated: Gated,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
    is_one_transaction,
):
    """That one stays with the bus, which has the others forgotten; it is told of once, by its id, and nobody pauses."""
    if is_one_transaction:
        begun_and_acked_together(shop, monkeypatch)
    store = choking(shop, (error() for _ in itertools.count()))
    _, poison, _ = await published(shop, "a", "poison", "b")
    store.poison = {poison}
    await shop.start(agent_of(gated))
    await shop.rest()
    assert (gated.seen, await on_the_bus(shop)) == (["a", "b"], (0, 1))
    (line,) = shop.says.having("agent greeter cannot take in", poison, type(error()).__name__)
    assert (Level.ERROR, line) in shop.says.lines
    await shop.publish("c")
    await shop.rest()
    assert gated.seen == ["a", "b", "c"]
    assert not shop.says.having("trying again")
    gated.let_go.set()


async def test_a_delivery_that_cannot_be_begun_is_tried_again_when_its_hold_is_over(shop: Workshop, gated: Gated):
    """No sooner, and as often as the bus brings it: neither its line nor a pause comes again, and the store may be
    mended by then."""
    gated.let_go.set()
    store = choking(shop)
    _, poison = await published(shop, "a", "poison")
    store.poison = {poison}
    await shop.start(agent_of(gated))
    await shop.pass_time(60.0)
    assert shop.runs.calls["begin"] <= 3 + 2 * 60 / 5
    assert len(shop.says.having("cannot take in", poison)) == 1
    for number in range(20):
        await shop.pass_time(0.7)
        await shop.publish(number)
        await shop.rest()
        assert gated.seen[-1] == number
    assert not shop.says.having("trying again")
    store.mend()
    assert (await shop.ended(poison, moving=0.25)).status == "succeeded"


async def test_a_delivery_that_cannot_be_begun_and_came_alone_holds_up_others_for_a_second(
    shop: Workshop, gated: Gated
):
    """It may be the store that begins nothing: only the next batch will tell."""
    store = choking(shop)
    await shop.start(agent_of(gated))
    store.poison = {"task-00000001"}
    poison = await shop.publish("poison")
    assert store.poison == {poison}
    await shop.until(lambda: shop.says.having("cannot take in", poison))
    assert shop.says.having("intake", "UnicodeError", "trying again")
    await shop.publish("y")
    await shop.pass_time(1.0)
    assert gated.seen == ["y"]
    gated.let_go.set()


async def test_a_delivery_that_cannot_be_begun_is_given_back_when_the_worker_leaves(shop: Workshop, gated: Gated):
    """Another one, of a newer version maybe, finds it."""
    store = choking(shop)
    _, poison = await published(shop, "a", "poison")
    store.poison = {poison}
    gated.let_go.set()
    worker = await shop.start(agent_of(gated))
    await shop.until(lambda: shop.says.having("cannot take in", poison))
    await worker.stop()
    assert (shop.run_of(poison), await on_the_bus(shop)) == (None, (1, 0))


async def test_a_store_that_chokes_on_everything_does_not_empty_the_bus(shop: Workshop, gated: Gated):
    """It is asked ever more seldom, and what waits is for other workers; nothing is lost once it is mended."""
    gated.let_go.set()
    store = choking(shop)
    task_ids = await published(shop, *map(str, range(200)))
    store.poison = set(task_ids)
    await shop.start(agent_of(gated, concurrency=10))
    await shop.pass_time(4.0)
    waiting, held = await on_the_bus(shop)
    assert (waiting + held, gated.seen) == (200, [])
    assert held <= 30
    assert len(shop.says.having("intake", "UnicodeError", "trying again")) == 1
    store.mend()
    await shop.until(lambda: len(gated.seen) == 200, moving=0.5)
    assert sorted(map(str, gated.seen)) == sorted(map(str, range(200)))


async def test_a_backend_that_fails_meanwhile_keeps_no_delivery_in_hand_twice(shop: Workshop, gated: Gated):
    """What is begun is not begun again, and what is left is begun once the backend is mended."""
    store = choking(shop, [UnicodeError(), broken()])
    _, poison, _ = await published(shop, "a", "poison", "b")
    store.poison = {poison}
    await shop.start(agent_of(gated))
    await shop.rest()
    assert (gated.seen, await on_the_bus(shop)) == (["a"], (0, 2))
    await shop.pass_time(2.0)
    assert (gated.seen, await on_the_bus(shop)) == (["a", "poison", "b"], (0, 0))
    assert not shop.says.having("cannot take in")
    gated.let_go.set()
