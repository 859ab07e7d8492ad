"""Tells whoever publishes to a topic that no agent listens to it: a slip, often."""

from __future__ import annotations

import asyncio
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
which is the dearer the more agents there are. As long a store that did not tell is not asked again."""

_PATIENCE_SECONDS: Final = 1.0


class Audience:
    """Knows which topics have agents, as of some seconds ago."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._topics: AbstractSet[str] | None = None
        self._looked_at = -math.inf
        self._looking = asyncio.Lock()

    async def lack(self, topic: str, *, may_name: bool) -> str | None:
        """That no agent listens to the topic, and, where other topics may be named, what was probably meant; None where
        one listens, or where the store does not tell just now."""
        async with self._looking:  # whoever comes meanwhile takes what the one who looks has found
            if time.monotonic() - self._looked_at >= self._remembered_seconds(topic):
                self._topics = await self._look()
                self._looked_at = time.monotonic()
        return None if self._topics is None else unknown_topic(topic, self._topics, may_name=may_name) or None

    def _remembered_seconds(self, topic: str) -> float:
        return _REMEMBERED_SECONDS if self._topics is not None and topic in self._topics else _MISSED_SECONDS

    async def _look(self) -> AbstractSet[str] | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._client.heard_topics()
        except (BackendError, TimeoutError):
            return None
