"""Failpoints: derived from the ports, silent unless something is ordered, and exact when it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from omnidaemon.adapters.memory import MemoryBus, MemorySpace, MemoryStorage
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import AckableInbox, BusInspector, EventBus, Inbox, LoggingBus
from omnidaemon.ports.notifier import Notifier, WebhookMessage
from omnidaemon.ports.run_store import AckingRunStore, RunStore, Wakeups
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.chaos.plan import parsed, watched
from omnidaemon.testing.chaos.points import failpoints, methods, ports
from omnidaemon.testing.chaos.under_fire import under_fire
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.notifier import RecordingNotifier
from omnidaemon.testing.place import Place

GREETER = Subscription("greet.user", "greeter")


@pytest.fixture
def space(manual_clock: ManualClock) -> MemorySpace:
    return MemorySpace(manual_clock)


def test_every_port_of_a_storage_and_a_bus_is_found():
    """Also what a storage is given later: the list is made of its annotations."""
    parts = {kind for kind in ports() if kind.__name__ in Storage.__annotations__.values()}
    assert len(parts) == len(Storage.__annotations__) - 1  # all but its capabilities
    faces = {LoggingBus, AckableInbox, AckingRunStore, BusInspector}
    assert {EventBus, Inbox, RunStore, Wakeups, Notifier, *faces} <= set(ports())


def test_each_call_has_a_point_before_and_after():
    names = {str(point) for point in failpoints()}
    assert {"before:RunStore.begin", "after:RunStore.begin", "after:Inbox.ack", "before:Wakeups.wait"} <= names
    assert len(names) == 2 * sum(len(methods(port)) for port in ports())


def test_nothing_stands_between_unless_something_is_ordered(space: MemorySpace):
    storage = MemoryStorage(space)
    assert under_fire(storage, parsed("")) is storage


@pytest.mark.parametrize("text", ["nonsense", "before:RunStore.nonsense=kill", "before:RunStore.begin=nonsense"])
def test_an_order_that_means_nothing_is_refused(text: str):
    with pytest.raises(ValueError, match="orders nothing"):
        parsed(text)


async def test_before_nothing_is_done_and_after_all_is(space: MemorySpace, tmp_path: Path):
    task = Place(data_dir=tmp_path).task
    storage = under_fire(MemoryStorage(space), parsed("before:TaskLog.add=raise@1 after:TaskLog.add=raise@2"))
    async with storage:
        with pytest.raises(BackendUnavailable, match=r"before:TaskLog\.add"):
            await storage.log.add([task("t1")])
        assert await storage.queries.records(["t1"]) == {}
        await storage.log.add([task("t2")])
        with pytest.raises(BackendUnavailable, match=r"after:TaskLog\.add"):
            await storage.log.add([task("t3")])
        await storage.log.add([task("t4")])
        assert set(await storage.queries.records(["t2", "t3", "t4"])) == {"t2", "t3", "t4"}


async def test_what_a_port_gives_out_is_under_fire_too(space: MemorySpace):
    bus = under_fire(MemoryBus(space.bus), parsed("before:Inbox.receive=raise@2 before:BusInspector.depths=raise"))
    assert isinstance(bus, BusInspector)
    assert bus.capabilities.name == "memory"
    async with bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        assert isinstance(inbox, Inbox)
        assert list(await inbox.receive({GREETER: 1}, 0)) == []
        with pytest.raises(BackendUnavailable):
            await inbox.receive({GREETER: 1}, 0)
        with pytest.raises(BackendUnavailable):
            await bus.depths()


async def test_a_notifier_is_under_fire_too(manual_clock: ManualClock):
    notifier = under_fire(RecordingNotifier(), parsed("before:Notifier.send=raise"))
    message = WebhookMessage(message_id="m", url="http://a.example/", body=b"{}", at=manual_clock.now().at)
    async with notifier:
        with pytest.raises(BackendUnavailable, match=r"before:Notifier\.send"):
            await notifier.send(message)


async def test_a_call_is_delayed_and_watched(space: MemorySpace, capsys: pytest.CaptureFixture[str]):
    orders = "before:RunQueries.counts=delay(0.05) after:RunQueries.counts=watch"
    async with under_fire(MemoryStorage(space), parsed(orders)) as storage:
        await storage.queries.counts()
        await storage.queries.counts()
    took = watched(capsys.readouterr().err)
    assert len(took) == 2
    assert all(seconds < 0.05 for seconds in took), "what is measured is the call, not the wait before it"


def test_killed_means_killed():
    script = (
        "from omnidaemon.testing.chaos.plan import plan_of_this_process\n"
        "from omnidaemon.testing.chaos.points import Side\n"
        "plan = plan_of_this_process()\n"
        "plan.passes(Side.BEFORE, 'RunStore', 'begin')\n"
        "print('one', flush=True)\n"
        "plan.passes(Side.BEFORE, 'RunStore', 'begin')\n"
        "print('two', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"CHAOS_FAILPOINTS": "before:RunStore.begin=kill@2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-9, "one\n")
