"""Tells whoever publishes to a topic that no agent listens to it: a slip, often."""

from __future__ import annotations

import math
import time
from collections.abc import Set as AbstractSet
from typing import Final

from omnidaemon.domain.errors import BackendError
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.unheard import unknown_topic

_REMEMBERED_SECONDS: Final = 10.0
_MISSED_SECONDS: Final = 1.0
"""For so long a topic that has agents, or has none, is taken for as it was: publishing shall not cost a look each time,
which is the dearer the more agents there are."""


class Audience:
    """Knows which topics have agents, as of some seconds ago."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._topics: AbstractSet[str] = frozenset()
        self._looked_at = -math.inf

    async def lack(self, topic: str) -> str | None:
        """That no agent listens to the topic, and what was probably meant; None where one has, or where the
        store does not tell just now."""
        remembered = _REMEMBERED_SECONDS if topic in self._topics else _MISSED_SECONDS
        if time.monotonic() - self._looked_at >= remembered:
            try:
                census = await (await self._client.runtime()).storage.registry.census()
            except BackendError:
                return None
            self._topics = {record.profile.subscription.topic for record in census.agents}
            self._looked_at = time.monotonic()
        return unknown_topic(topic, self._topics) or None
