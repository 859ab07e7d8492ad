"""The lapse guard on a server that answers late: nobody loses a lease because a call was held up on the way."""

from __future__ import annotations

import asyncio

from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker

LEASE_SECONDS = 1.0


async def test_a_claim_that_arrives_after_a_gap_does_not_hide_it(private_redis, place, storage):
    """It was sent when all was well, and is the first thing that the server hears once it is back."""
    owner, other = (ScriptedWorker(storage.runs, name, lease_seconds=LEASE_SECONDS) for name in ("owner", "other"))
    grant = await owner.begun(place.task(), GREETER)
    await owner.renew(grant)
    await other.claim(other.limit(GREETER))
    private_redis.freeze()
    claiming = asyncio.create_task(other.claim(other.limit(GREETER)))
    await place.pass_time(1.5 * LEASE_SECONDS)
    private_redis.thaw()
    assert (await claiming).grants == ()
    assert (await other.claim(other.limit(GREETER))).grants == ()
    assert not (await owner.renew(grant)).lost
