"""Tells whoever publishes to a topic that no agent listens to it: a slip, often."""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from typing import Final

from omnidaemon.domain.errors import BackendError
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.unheard import unknown_topic

_REMEMBERED_SECONDS: Final = 10.0


class Audience:
    """Remembers for some seconds which topics have agents: publishing to those shall cost no further look."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._topics: AbstractSet[str] = frozenset()
        self._known_until = 0.0

    async def lack(self, topic: str) -> str | None:
        """That no agent has ever listened to the topic, and what was probably meant; None where one has, or where the
        store does not tell just now."""
        if topic not in self._topics or time.monotonic() >= self._known_until:
            try:
                census = await (await self._client.runtime()).storage.registry.census()
            except BackendError:
                return None
            self._topics = {record.profile.subscription.topic for record in census.agents}
            self._known_until = time.monotonic() + _REMEMBERED_SECONDS
        return unknown_topic(topic, self._topics) or None
