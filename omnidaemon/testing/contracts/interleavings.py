"""What every storage keeps in whatever order workers, faults and people come."""

from __future__ import annotations

import pytest

from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import StorageOpening
from omnidaemon.testing.exploration import ONE, Scenario
from omnidaemon.testing.interleavings import MANY_FAULTS, RandomWalk
from omnidaemon.testing.place import Place

WIDE = Scenario(
    name="random", tasks=4, workers=((ONE,), (ONE,), (ONE,)), faults=MANY_FAULTS, may_fail=True, may_ask=True
)


class InterleavingContract(StorageOpening):
    """Random walks over two connections. A suite on a server, where time passes in earnest, may have fewer and shorter
    ones."""

    pytestmark = pytest.mark.asyncio

    walk_steps = 200
    walks = 12

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One seed for each walk; pytest asks this of every test of the class."""
        if "seed" in metafunc.fixturenames:
            metafunc.parametrize("seed", range(self.walks))

    async def test_random_order_keeps_the_promises(
        self, place: Place, storage: Storage, peer: Storage, seed: int
    ) -> None:
        """Three workers, four tasks, every kind of fault: no promise is broken, and all ends well."""
        walk = RandomWalk([storage, peer], place.pass_time, WIDE, seed)
        assert await walk.walk(self.walk_steps) >= self.walk_steps
