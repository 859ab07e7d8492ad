"""Hints between processes: to workers, that there is something to do; to those who follow, that something has happened;
and to those who wait for results, what has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from typing import Final

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.ear import Ear
from omnidaemon.adapters.redis.forms import kept_of
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.domain.instant import moment
from omnidaemon.domain.run import Run
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.run_store import Ended, Endings, Wakeups

_MOST_ENDED: Final = 10_000


class Doorbell:
    """Rings for all listeners of this process. Each channel is listened to from the first time on that somebody wants
    to know: whoever only publishes need not be woken by all that happens, nor hear of all that ends."""

    def __init__(self, connection: RedisConnection, keys: Keys, clock: Clock, codec: Codec) -> None:
        self._clock = clock
        self._codec = codec
        self._waiting: set[ToldEndings] = set()
        self._bell = _Hints(connection, keys.bell, clock)
        self._news = _Hints(connection, keys.news, clock)
        self._ended = Ear(connection, keys.endings, self._tell)

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        await self._bell.close()
        await self._news.close()
        await self._ended.close()
        self._tell(None)

    def wakeups(self) -> Listener:
        """A listener of the running loop for what workers have to do; close it after use. It is told to look once when
        its channel is heard."""
        return self._bell.listen()

    def news(self) -> Listener:
        """A listener for whatever happens to runs, likewise."""
        return self._news.listen()

    def endings(self, wanted: Container[str]) -> ToldEndings:
        """A listener for what has ended, likewise."""
        self._ended.start()
        endings = ToldEndings(self._waiting, wanted, self._clock, self._codec)
        self._waiting.add(endings)
        return endings

    def _tell(self, message: bytes | None) -> None:
        for endings in tuple(self._waiting):
            endings.tell(message)


class _Hints:
    """A channel whose messages say nothing but "look", and who listens to it."""

    def __init__(self, connection: RedisConnection, channel: str, clock: Clock) -> None:
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._ear = Ear(connection, channel, self._ring)

    async def close(self) -> None:
        await self._ear.close()
        self._ring(None)

    def listen(self) -> Listener:
        self._ear.start()
        listener = Listener(self._listeners, self._clock)
        self._listeners.add(listener)
        return listener

    def _ring(self, _message: bytes | None) -> None:
        # After a break something may have been missed, so everybody looks once more when it is over.
        for listener in tuple(self._listeners):
            listener.notify()


class Listener(Wakeups):
    """One ear of this process."""

    def __init__(self, listeners: set[Listener], clock: Clock) -> None:
        self._listeners = listeners
        self._clock = clock
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Called for each hint."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        heard = await self._clock.wait(self._event, seconds)
        self._event.clear()
        return heard

    def close(self) -> None:
        self._listeners.discard(self)
        self._event.set()


class ToldEndings(Endings):
    """What was told and not taken yet, within a bound; beyond it, one has to look."""

    def __init__(self, waiting: set[ToldEndings], wanted: Container[str], clock: Clock, codec: Codec) -> None:
        self._waiting = waiting
        self._wanted = wanted
        self._clock = clock
        self._codec = codec
        self._event = asyncio.Event()
        self._ended: list[Ended] | None = []
        self._take: Callable[[Sequence[Ended]], None] | None = None

    def tell(self, message: bytes | None) -> None:
        """Called for each message of the channel, and with None when some may have been missed."""
        ended = None if message is None else _ended_in(message, self._wanted, self._codec)
        if ended and self._take is not None:
            self._take(ended)
            return
        if ended is None or self._ended is None or len(self._ended) > _MOST_ENDED:
            self._ended = None
        elif ended:
            self._ended += ended
        else:
            return
        self._event.set()

    def pass_on(self, take: Callable[[Sequence[Ended]], None]) -> bool:
        self._take = take
        return True

    async def wait(self, seconds: float) -> Sequence[Ended] | None:
        await self._clock.wait(self._event, seconds)
        self._event.clear()
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        self._waiting.discard(self)
        self._event.set()


def _ended_in(message: bytes, wanted: Container[str], codec: Codec) -> list[Ended] | None:
    """Those of the tasks wanted that a message of the script `apply` tells of. None for one that cannot be read, as
    from a newer version: then one has to look, and is told why that fails."""
    ended: list[Ended] = []
    at = 0
    try:
        while at < len(message):
            line_ends = message.index(b"\n", at)
            task_id, agent, length, *standing = message[at:line_ends].decode().split(" ")
            at = line_ends + 1 + int(length)
            if task_id in wanted:
                record = message[line_ends + 1 : at]
                run = kept_of((task_id, agent), record, None, codec).run if record else None
                ended.append(Ended(task_id, run, None if run is None else _standing(run, standing)))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    return ended


def _standing(run: Run, told: Sequence[str]) -> TaskStanding | None:
    """How its task stands by this, where nobody else is to run it: told are when it was created, and its agents."""
    if told[1:] != [run.subscription.agent]:
        return None
    return TaskStanding(run.task_id, run.subscription.topic, moment(int(told[0])), (told[1],), (run,))
