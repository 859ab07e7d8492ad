"""What every RunStore keeps for those who wait for results: they hear of ends, or that they have to look."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import RunState
from omnidaemon.ports.run_store import Ended
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, StorageOpening
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded


class EndingsContract(StorageOpening):
    """endings().

    `tells_endings`: whether this storage passes on what ends, with how its task stands by that. Then it has to; of
    others only what they tell is judged.
    """

    pytestmark = pytest.mark.asyncio
    tells_endings: ClassVar[bool] = False

    async def test_those_who_wait_hear_of_what_ends(
        self, place: Place, storage: Storage, rival: ScriptedWorker
    ) -> None:
        """Of each task that they want, and of a cancellation too: what has ended, or that they have to look."""
        wanted = {"t1", "t2", "t3"}
        endings = storage.runs.endings(wanted)

        async def is_told(task_id: str, state: RunState) -> bool:
            told = await endings.wait(0)
            if told is None:
                return True
            assert {each.task_id for each in told} <= wanted
            await _stand_so(storage, told)
            runs = [each.run for each in told if each.task_id == task_id]
            assert {run.state for run in runs if run is not None} <= {state}
            return bool(runs)

        ended, large, unwanted = [await rival.begun(place.task(name), GREETER) for name in ("t1", "t2", "t4")]
        await storage.log.add([place.task("t3")])
        await eventually(lambda: endings.wait(0), lambda told: told is not None and not told)
        await rival.settle(unwanted, succeeded())
        await rival.settle(ended, succeeded(b'{"value": "Zo\xc3\xab\\n"}'))
        await eventually(lambda: is_told("t1", RunState.SUCCEEDED))
        await rival.settle(large, succeeded(b'"' + 100_000 * b"x" + b'"'))
        await eventually(lambda: is_told("t2", RunState.SUCCEEDED))
        await storage.commands.cancel("t3")
        await eventually(lambda: is_told("t3", RunState.CANCELLED))
        endings.close()

    async def test_the_end_of_the_only_run_tells_how_its_task_stands(
        self, place: Place, storage: Storage, rival: ScriptedWorker
    ) -> None:
        """So that who waits has nothing to ask, where the storage tells it; and the task stands so."""
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await storage.registry.declared([GREETER])
        wanted: set[str] = set()
        endings = storage.runs.endings(wanted)

        async def standings() -> list[TaskStanding]:
            wanted.add(name := f"t{len(wanted)}")
            await _end(place, storage, rival, name)
            return await _stand_so(storage, await endings.wait(0) or ())

        await eventually(standings, lambda told: bool(told) or not self.tells_endings)
        endings.close()

    async def test_what_ends_is_passed_on_or_comes_by_waiting(
        self, place: Place, storage: Storage, rival: ScriptedWorker
    ) -> None:
        """Never both. Passed on is what is wanted, on the calling loop; where that is refused, nothing is."""
        loop = asyncio.get_running_loop()
        wanted: set[str] = set()
        taken: list[str] = []
        waited: list[str] = []
        endings = storage.runs.endings(wanted)

        def take(ended: Sequence[Ended]) -> None:
            assert asyncio.get_running_loop() is loop
            taken.extend(each.task_id for each in ended)

        async def is_told() -> bool:
            wanted.add(name := f"t{len(wanted)}")
            await _end(place, storage, rival, f"not-{name}")
            await _end(place, storage, rival, name)
            told = await endings.wait(0)
            waited.extend(each.task_id for each in told or ())
            return len(taken) > 1 if is_passed_on else told is None or bool(told)

        is_passed_on = endings.pass_on(take)
        assert is_passed_on or not self.tells_endings
        await eventually(is_told)
        assert not (waited if is_passed_on else taken)
        assert {*taken, *waited} <= wanted
        endings.close()


async def _end(place: Place, storage: Storage, worker: ScriptedWorker, task_id: str) -> None:
    task = place.task(task_id)
    await storage.log.add([task])
    await worker.settle(await worker.begun(task, GREETER), succeeded())


async def _stand_so(storage: Storage, told: Sequence[Ended]) -> list[TaskStanding]:
    """How tasks were told to stand, each as it does."""
    standings = [each.standing for each in told if each.standing is not None]
    for standing in standings:
        record = (await storage.queries.records([standing.task_id]))[standing.task_id]
        known = (record.topic, record.created_at, record.agents, record.is_cancelled, record.runs)
        said = (standing.topic, standing.created_at, standing.agents, standing.is_cancelled, standing.runs)
        assert said == known
    return standings
