"""Names that every backend can carry, and the pair of them that a subscription is."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple, TypeGuard

from omnidaemon.domain.errors import InvalidName

_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,200}")


def checked_name(kind: str, value: object) -> str:
    """Return `value` when it is 1 to 200 of `A-Z a-z 0-9 . _ -`; raise `InvalidName` otherwise.

    Checked before any key, subject or table name is built from it, so that no backend has to escape.
    """
    if not is_name(value):
        raise InvalidName(kind, value)
    return value


def is_name(value: object) -> TypeGuard[str]:
    """Whether it is 1 to 200 of the allowed characters."""
    return isinstance(value, str) and _ALLOWED.fullmatch(value) is not None


class Subscription(NamedTuple):
    """The durable fact that an agent of this name listens to this topic.

    A tuple, because it is the key of most tables and a task is looked up in them fourteen times: its hash is C's.
    """

    topic: str
    agent: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.agent}"

    @classmethod
    def checked(cls, topic: object, agent: object) -> Subscription:
        """A subscription of valid names, or `InvalidName`."""
        return cls(checked_name("topic", topic), checked_name("agent name", agent))


subscription: Final = lru_cache(maxsize=1024)(Subscription)
"""The subscription of a topic and an agent, for whoever reads many records of few of them."""


def is_topic_like(topic: str, pattern: str) -> bool:
    """Whether the topic matches a pattern with the wildcards of a shell: `document.*` takes in `document.a.b` too."""
    return fnmatchcase(topic, pattern)
