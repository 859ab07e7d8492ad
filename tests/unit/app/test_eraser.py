"""Erasing a namespace, where one of the two parts offers no way to."""

from __future__ import annotations

import pytest

from omnidaemon.app.eraser import Eraser
from omnidaemon.domain.errors import NotErasable
from tests.unit.app.workshop import Workshop


async def test_what_cannot_be_erased_is_left_as_a_whole(shop: Workshop):
    """The part that cannot is named, and the other one keeps what it has."""
    task_id = await shop.publish()
    with pytest.raises(NotErasable, match="'memory' offers no way"):
        await Eraser(bus=shop.real_bus, storage=shop.storage).erase(force=True)
    assert await shop.storage.queries.records([task_id])
