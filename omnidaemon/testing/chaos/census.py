"""What there is of each kind, in a process and in a store: counted before and after, nothing may be left over."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Mapping


def here() -> dict[str, int]:
    """In this process: asyncio tasks that are not done, on whichever loop, and threads."""
    tasks = [each for each in gc.get_objects() if type(each) is asyncio.Task]
    return {"asyncio tasks": sum(not task.done() for task in tasks), "threads": threading.active_count()}


def left_over(
    before: Mapping[str, int], after: Mapping[str, int], allowed: Mapping[str, int], default: int = 0
) -> list[str]:
    """Those kinds of which there is more after than before, beyond what is `allowed` of each, or by `default`."""
    return [
        f"{kind}: {before.get(kind, 0)} before, {count} after"
        for kind, count in after.items()
        if count - before.get(kind, 0) > allowed.get(kind, default)
    ]


def told(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Both, for a table; without what there is none of."""
    both = ((kind, before.get(kind, 0), count) for kind, count in after.items())
    return ", ".join(f"{kind} {was} → {count}" for kind, was, count in both if was or count)
