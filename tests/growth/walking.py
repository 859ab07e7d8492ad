"""What Redis goes through inside of its commands: one that reads a whole collection is one command, however large the
collection is. So each is taken from MONITOR, scripts included, and the elements that it went through are counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import redis

from tests.growth.operations import Operation

_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_END: Final = "walking-ends-here"

Words = Sequence[str]
Sizing = Callable[[redis.Redis, Words], int]


async def walked(client: redis.Redis, operation: Operation) -> Counter[str]:
    """How many elements a call had the server go through, by command and kind of key. Nobody else may use the server
    meanwhile. An AssertionError for a command of which it is not known what it goes through."""
    monitor = client.connection_pool.get_connection()
    try:
        monitor.send_command("MONITOR")
        monitor.read_response()
        await operation()
        client.echo(_END)
        seen = list(iter(lambda: _WORD.findall(monitor.read_response().decode()), ["ECHO", _END]))
    finally:
        monitor.disconnect()
        client.connection_pool.release(monitor)
    elements: Counter[str] = Counter()
    for name, *words in seen:
        command = name.lower()
        if command in _AS_MANY_AS_ARE_NAMED:
            continue
        assert command in _SIZES, f"what does {command} go through? Name it in {__name__}"
        elements[f"{command} {_kind(words[0])}"] += _SIZES[command](client, words)
    return elements


def _kind(key: str) -> str:
    """`t:many-busy-400` and its like are one kind."""
    return key.partition("}:")[2].partition(":")[0]


def _indexes(size: int, start: str, stop: str) -> int:
    first, last = (at + size if at < 0 else at for at in (int(start), int(stop)))
    return max(0, min(last, size - 1) - first + 1)


def _range(client: redis.Redis, words: Words) -> int:
    key, start, stop, *more = words
    if "BYLEX" in more:
        return client.zlexcount(key, start, stop)
    return _indexes(client.zcard(key), start, stop)


def _scores(client: redis.Redis, words: Words) -> int:
    key, low, high, *more = words
    found = client.zcount(key, low, high)
    if "LIMIT" not in more:
        return found
    offset, count = (int(word) for word in more[more.index("LIMIT") + 1 :][:2])
    return min(found, offset + count)


def _entries(client: redis.Redis, words: Words) -> int:
    key, start, stop, *more = words
    if "COUNT" in more:
        return int(more[more.index("COUNT") + 1])
    return 1 if start == stop else client.xlen(key)


_SIZES: Final[Mapping[str, Sizing]] = {
    "smembers": lambda client, words: client.scard(words[0]),
    "hgetall": lambda client, words: client.hlen(words[0]),
    "hkeys": lambda client, words: client.hlen(words[0]),
    "zrange": _range,
    "zrangebyscore": _scores,
    "zrevrangebyscore": lambda client, words: _scores(client, (words[0], words[2], words[1], *words[3:])),
    "zremrangebyscore": _scores,
    "lrange": lambda client, words: _indexes(client.llen(words[0]), words[1], words[2]),
    "xrange": _entries,
    "xrevrange": _entries,
}
"""Of each command that may go through a collection, how many elements. A collection is as large as it is afterwards."""

_AS_MANY_AS_ARE_NAMED: Final = frozenset(
    {
        *("evalsha", "eval", "script", "hello", "client", "echo", "time", "publish", "multi", "exec"),
        *("get", "set", "incr", "incrby", "exists", "expire", "unlink"),
        *("hget", "hmget", "hset", "hsetnx", "hdel", "hexists", "hincrby", "hincrbyfloat", "hlen", "hstrlen"),
        *("sadd", "srem", "sismember", "zadd", "zrem", "zscore", "zcard", "lpop", "rpush", "xadd", "xlen"),
    }
)
"""These look at a key, or at so many fields, members and entries as they name."""
