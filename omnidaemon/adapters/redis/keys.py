"""The names of a namespace's keys: all under one hash tag, so that a script may touch them all, also in a cluster."""

from __future__ import annotations


def prefix(namespace: str) -> str:
    """What every key and channel of this namespace begins with. The namespace in braces is what a cluster hashes."""
    return f"omni:{{{namespace}}}:"


class Keys:
    """The keys of one namespace. `Keys("x").of("due", "topic/agent")` is `omni:{x}:due:topic/agent`."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.prefix = prefix(namespace)

    def of(self, *parts: str) -> str:
        """The key of these parts. Names of topics and agents hold neither colons nor slashes, so none is ambiguous."""
        return self.prefix + ":".join(parts)

    @property
    def bell(self) -> str:
        """The channel that is rung when there is something for workers to do."""
        return self.of("bell")

    @property
    def news(self) -> str:
        """The channel that is rung when something has happened to runs."""
        return self.of("news")

    @property
    def endings(self) -> str:
        """The channel that tells how runs have ended."""
        return self.of("endings")
