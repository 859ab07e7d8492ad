"""One worker's intake from the SQLite bus."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, cast

import apsw

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.holds import (
    FREE,
    Acks,
    Hold,
    Message,
    Taken,
    forget,
    give_back,
    hold_terms,
    take,
)
from omnidaemon.adapters.sqlite.reading import as_array
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.names import Subscription, subscription
from omnidaemon.ports.bus import AckableInbox, Delivery, Inbox, within
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec

_BACKSTOP_SECONDS: Final = 1.0
"""Rings may be lost, and nobody rings when a dead worker's hold ends."""

_VAIN_LOOKS: Final = 3
_PAUSE_SECONDS: Final = 0.005
"""The bell rings for all that anybody has to do. Whom it has called in vain so often looks but every few ms."""

_WAITING: Final = f"""
    SELECT value ->> 0, value ->> 1 FROM json_each(:wanted) WHERE EXISTS (
        SELECT 1 FROM bus_messages WHERE topic = value ->> 0 AND agent = value ->> 1 AND {FREE} ORDER BY seq
    )
"""

Token = tuple[Hold, int]
"""Of a delivery: its hold, and its message's row number."""


class SqliteInbox(Inbox, AckableInbox):
    """Looks by a read, so that an empty queue costs no write, and takes only when there is something; without a look
    while there was as much as was wanted."""

    def __init__(self, database: Database, clock: Clock, codec: Codec) -> None:
        self._database = database
        self._clock = clock
        self._codec = codec
        self._name = secrets.token_hex(8)
        self._listener = database.doorbell.listen()
        self._takes = count(1)
        self._held: dict[Hold, set[int]] = {}
        """What of each hold is neither acked nor given back."""
        self._spare: list[Delivery] = []
        self._taking: asyncio.Task[None] | None = None
        self._plentiful: set[Subscription] = set()
        self._is_interrupted = False
        self._is_closed = False

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + wait_seconds
        vain_looks = 0
        while True:
            deliveries = await self._take(credits)
            left = ends_at - loop.time()
            if deliveries or left <= 0 or self._is_interrupted:
                self._is_interrupted = False
                return deliveries
            is_rung = await self._listener.wait(min(left, _BACKSTOP_SECONDS))
            vain_looks = vain_looks + 1 if is_rung else 0
            if vain_looks > _VAIN_LOOKS:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _take(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        """What is spare, else what the table has. A call that is cancelled leaves what it took for the next one."""
        if self._taking is None and not self._spare:
            self._taking = asyncio.create_task(self._take_from_table(credits))
            self._taking.add_done_callback(self._taken)
        if self._taking is not None:
            await asyncio.shield(self._taking)
        return self._within(credits)

    def _taken(self, taking: asyncio.Task[None]) -> None:
        self._taking = None
        if not taking.cancelled():
            taking.exception()  # also when nobody waits for it any more

    def _within(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        chosen, self._spare = within(credits, self._spare)
        return chosen

    async def _take_from_table(self, credits: Mapping[Subscription, int]) -> None:
        wanted = [s for s, most in credits.items() if most > 0]
        chosen = wanted if self._plentiful.issuperset(wanted) else await self._waiting(wanted)
        if not chosen:
            return

        holder = f"{self._name}-{next(self._takes)}"

        def work(cursor: apsw.Cursor) -> list[tuple[Subscription, list[Taken]]]:
            now = self._clock.now()
            return [(s, list(take(cursor, s, credits[s], holder, now))) for s in chosen]

        taken = await self._database.write(work, durable=False)
        self._plentiful = set()
        if self._held:
            self._let_go_of({message[0] for _, stretches in taken for _, messages in stretches for message in messages})
        for owner, stretches in taken:
            for hold, messages in stretches:
                self._held[hold] = {message[0] for message in messages}
                self._spare += [self._delivery(owner, hold, message) for message in messages]
            if sum(len(messages) for _, messages in stretches) == credits[owner]:
                self._plentiful.add(owner)

    def _let_go_of(self, message_ids: set[int]) -> None:
        """These are taken again: holds that they were in before have run out. Who never acks a message would have such
        a hold kept for each time that it comes."""
        for hold, held in tuple(self._held.items()):
            held.difference_update(message_ids)
            if not held:
                del self._held[hold]

    async def _waiting(self, wanted: Sequence[Subscription]) -> list[Subscription]:
        """Those of the subscriptions for which there is something."""
        look = {"wanted": as_array((s.topic, s.agent) for s in wanted), **hold_terms(self._clock.now())}
        found = await self._database.read(lambda cursor: cursor.execute(_WAITING, look).fetchall())
        return [subscription(topic, agent) for topic, agent in found]

    def _delivery(self, owner: Subscription, hold: Hold, message: Message) -> Delivery:
        message_id, _, task_id, body = message
        task = self._codec.decode_task(body, task_id=task_id, topic=owner.topic)
        return Delivery(subscription=owner, task=task, token=(hold, message_id))

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._listener.hear()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        acks = self.acks(deliveries)
        await self._database.write(lambda cursor: forget(cursor, acks), durable=False)
        self.acked(deliveries)

    def acks(self, deliveries: Sequence[Delivery]) -> Sequence[Acks]:
        return [
            Acks(hold, message_ids, are_last=self._held.get(hold, set()) <= set(message_ids))
            for hold, message_ids in _by_hold(deliveries).items()
        ]

    def acked(self, deliveries: Sequence[Delivery]) -> None:
        for hold, message_ids in _by_hold(deliveries).items():
            left = self._held.get(hold, set())
            left.difference_update(message_ids)
            if not left:
                self._held.pop(hold, None)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._listener.close()
        # What cannot be given back just now is free again after its hold, which is only later.
        with contextlib.suppress(BackendUnavailable):
            if self._taking is not None:
                await self._taking
            holds = tuple(self._held)
            await self._database.write(lambda cursor: give_back(cursor, holds), durable=False, rings=Ring.EVERYBODY)
        self._held.clear()


def _by_hold(deliveries: Sequence[Delivery]) -> dict[Hold, list[int]]:
    message_ids: dict[Hold, list[int]] = {}
    for delivery in deliveries:
        hold, message_id = cast("Token", delivery.token)
        message_ids.setdefault(hold, []).append(message_id)
    return message_ids
