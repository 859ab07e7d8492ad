"""How a server is run, as far as it decides what may be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.ports.backend import Weakness

_SETTINGS: Final = ("appendfsync", "save")
_APPEND: Final = "set `appendonly yes`, and `appendfsync always` where nothing confirmed may be lost"


async def examined(server: RedisConnection) -> Sequence[Weakness]:
    """What the server's own words say that it may lose."""
    state = await server.info("persistence")
    return list(_weaknesses(f"{BACKEND} at {server.location}", state, await server.settings(*_SETTINGS)))


def _weaknesses(backend: str, state: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Weakness]:
    if state.get("aof_enabled") == "1":
        yield from _of_append_only_file(backend, settings.get("appendfsync"))
        if state.get("aof_last_write_status", "ok") != "ok":
            found, advice = "its last write to the append-only file failed", "look at its log, and at its disk"
            yield Weakness(backend=backend, found=found, advice=advice, is_grave=True)
    elif settings.get("save") == "":
        found = "it keeps nothing on disk (appendonly is off, and so are snapshots): a restart loses every task"
        yield Weakness(backend=backend, found=found, advice=_APPEND, is_grave=True)
    else:
        found = "appendonly is off: a restart brings back the last snapshot, and what came after it is lost"
        yield Weakness(backend=backend, found=found, advice=_APPEND)
    if state.get("rdb_last_bgsave_status", "ok") != "ok":
        found, advice = "its last snapshot failed; it may refuse to write", "look at its log, and at its disk"
        yield Weakness(backend=backend, found=found, advice=advice, is_grave=True)


def _of_append_only_file(backend: str, appendfsync: str | None) -> Iterator[Weakness]:
    lost = {"everysec": "about a second", "no": "what the system has not written yet, maybe half a minute,"}
    if appendfsync is None:
        found = "this user may not read its appendfsync, so nobody knows what a power cut can lose"
        yield Weakness(backend=backend, found=found, advice="allow it `+config|get`, or ask who runs the server")
    elif appendfsync in lost:
        found = f"appendfsync is {appendfsync}: a power cut can lose {lost[appendfsync]} of what was confirmed"
        yield Weakness(backend=backend, found=found, advice="set `appendfsync always` where that may not be")
