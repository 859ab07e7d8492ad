"""What the outbox of a workshop holds, and handlers whose ends are told."""

from __future__ import annotations

from omnidaemon.domain.outbox import OutboxEntry
from tests.unit.app.workshop import Workshop

URL = "https://example.org/hook"


async def echo(payload):
    return payload


async def fails(payload):
    raise ValueError("no")


def entries(shop: Workshop) -> list[OutboxEntry]:
    """All entries, in the order in which they were written."""
    return sorted(shop.space.outbox.values(), key=lambda entry: entry.position)


def statuses(shop: Workshop) -> list[str]:
    """How far each of them is."""
    return [entry.status.value for entry in entries(shop)]


async def all_settled(shop: Workshop, *expected: str, moving: float = 0.1) -> None:
    """Let time pass until they are as expected."""
    await shop.until(lambda: statuses(shop) == list(expected), moving=moving)
