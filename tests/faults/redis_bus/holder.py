"""A worker that receives, and does nothing with it until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import attrs

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.system import SystemClock
from omnidaemon.domain.names import Subscription
from omnidaemon.testing.place import Place


async def main(url: str, namespace: str, topic: str, agent: str) -> None:
    place = Place(data_dir=Path(), clock=SystemClock(), codec=JsonCodec(), options={"REDIS_URL": url})
    context = attrs.evolve(place.context(), namespace=namespace)
    async with redis_stream_bus(context) as bus:
        inbox = await bus.subscribe([Subscription(topic, agent)])
        held = await inbox.receive({Subscription(topic, agent): 3}, 5)
        print(len(held), flush=True)  # noqa: T201 - whoever has started it reads this
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
