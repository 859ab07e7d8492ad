"""What a script is told to have the bus forget deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

Token = tuple[str, str, bytes]
"""Topic, agent, and the entry's id."""


@attrs.frozen
class Acks:
    """Of the bus under `root`. Each row is a queue's topic and agent, how many entries, and their ids."""

    root: str
    rows: Sequence[Sequence[Any]]


def acks_of(root: str, tokens: Iterable[Token]) -> Acks:
    """Each queue named once."""
    entries: dict[tuple[str, str], list[bytes]] = {}
    for topic, agent, entry_id in tokens:
        entries.setdefault((topic, agent), []).append(entry_id)
    return Acks(root, [(*queue, len(ids), *ids) for queue, ids in entries.items()])
