"""What a listing asks the server for of each task, as plain commands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from omnidaemon.domain.values import Value

FIELDS: Final = ("t", "c", "a", "x", "j")
"""Of each task, before the records of its runs."""


class Shape(Value):
    """What is asked for beside the tasks themselves: the runs of these agents, sorted, None while it is not known whose
    there are; and when each task is due, where any is scheduled."""

    agents: tuple[str, ...] | None = None
    has_schedules: bool = False

    @property
    def commands_of_each(self) -> int:
        """How many a task has: for the values of its fields, for their count, and for its due time if that is asked."""
        return 3 if self.has_schedules else 2


def standing_commands(prefix: str, task_ids: Sequence[str], shape: Shape) -> tuple[bytes, int]:
    """A transaction, packed, and of how many commands it consists: one each for the agents' revision and for whether
    any task is scheduled, then `commands_of_each` of the tasks."""
    fields = [*FIELDS, *(f"r:{agent}" for agent in shape.agents or ())]

    # By the packer, command by command, it takes five times as long.
    @cache
    def around(length: int) -> tuple[str, ...]:
        """The commands of a task whose id has so many bytes: what stands before, between and behind its ids."""
        key = f"${len(prefix) + 2 + length}\r\n{prefix}t:"
        values, count = (
            f"*{len(fields) + 2}\r\n{_words('HMGET')}{key}",
            f"\r\n{_words(*fields)}*2\r\n{_words('HLEN')}{key}",
        )
        if not shape.has_schedules:
            return values, count, "\r\n"
        due = f"\r\n*3\r\n{_words('ZSCORE', f'{prefix}schedules')}${length}\r\n"
        return values, count, due, "\r\n"

    commands = (
        f"*1\r\n{_words('MULTI')}",
        f"*2\r\n{_words('GET', f'{prefix}agents:revision')}",
        f"*2\r\n{_words('EXISTS', f'{prefix}schedules')}",
        # The ids of what others have put on the queue are texts of any kind.
        *[each.join(around(len(each) if each.isascii() else len(each.encode()))) for each in task_ids],
        f"*1\r\n{_words('EXEC')}",
    )
    return "".join(commands).encode(), 4 + len(task_ids) * shape.commands_of_each


def _words(*words: str) -> str:
    """As Redis has them, each with its length: those of keys and fields, namespaces and agents, are ASCII."""
    return "".join([f"${len(word)}\r\n{word}\r\n" for word in words])
