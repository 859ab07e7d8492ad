"""`omni bus`: see what waits on the event bus and what happens, and drop what nobody shall begin."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.commands import dlq as dead_letters
from omnidaemon.entrypoints.cli.confirmation import confirm
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Cursor, Json, Limit, TaskTopic, Yes
from omnidaemon.entrypoints.cli.reader import while_somebody_reads
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import PARTS, Session, session
from omnidaemon.entrypoints.cli.views import Lines
from omnidaemon.entrypoints.unheard import check_known

Pattern = Annotated[
    str | None,
    Parameter(help="The topics to watch, with the wildcards of a shell, such as 'document.*'. All unless given."),
]
WatchedTask = Annotated[str | None, Parameter(name="--task", help="One task alone, by its id.")]
After = Annotated[
    int | None,
    Parameter(help="Go on after the event of this position; 0 begins with the oldest that is kept."),
]


async def list_(*, as_json: Json = False) -> None:
    """List the topics, their agents, and what waits for each on the bus."""
    async with session(("bus",)) as opened:
        depths = await opened.client.topics()
    screen(as_json=as_json).show([shapes.depth(depth) for depth in depths], fleet_views.depths_table(depths))


async def dlq(topic: TaskTopic, /, *, limit: Limit = 100, cursor: Cursor = None, as_json: Json = False) -> None:
    """List the dead letters of a topic, as `omni dlq list TOPIC`."""
    await dead_letters.list_(topic, limit=limit, cursor=cursor, as_json=as_json)


async def watch(
    pattern: Pattern = None, /, *, task: WatchedTask = None, after: After = None, as_json: Json = False
) -> None:
    """Show what happens, as it happens, until Ctrl-C: tasks that are published, begin, are tried again, end.

    With --json each event is one object on one line.
    """
    if after is not None and after < 0:
        raise InvalidValue("--after", after, "a position from 0")
    watch = _Watch(pattern, task, after)
    try:
        await while_somebody_reads(watch.run(as_json=as_json))
    except asyncio.CancelledError:  # by Ctrl-C
        watch.say_how_to_go_on()
        raise


class _Watch:
    """What is watched, and how far it has got."""

    def __init__(self, pattern: str | None, task: str | None, after: int | None) -> None:
        self._pattern = pattern
        self._task = task
        self._position = after

    async def run(self, *, as_json: bool) -> None:
        """Tell of one event after the other."""
        answer = screen(as_json=as_json)
        async with (
            session() as opened,
            contextlib.aclosing(
                opened.client.events(after=self._position, task_id=self._task, topic=self._pattern)
            ) as events,
        ):
            await events.open()
            note(f"watching {self._watched()}; Ctrl-C ends it")
            await self._say_whether_it_is_over(opened)
            async for event in events:
                answer.tell(shapes.journal_event(event), fleet_views.event_tick(event))
                self._position = event.position

    def _watched(self) -> str:
        """What is watched, in words."""
        if self._task is None:
            return self._pattern or "all topics"
        return f"task {self._task}{f' on {self._pattern}' if self._pattern else ''}"

    async def _say_whether_it_is_over(self, opened: Session) -> None:
        """Nobody shall wait for what a task that has ended has told already."""
        if self._task is not None and self._position is None:
            found = await opened.client.get_result(self._task)
            if found is not None and found.is_end:
                note(f"{self._task} is {found.status}: more comes if it is requeued; --after 0 shows what was")

    def say_how_to_go_on(self) -> None:
        """By the same command, with where it is."""
        if self._position is not None:
            chosen = [*([self._pattern] if self._pattern else []), *(["--task", self._task] if self._task else [])]
            again = shlex.join(["omni", "bus", "watch", *chosen, "--after", str(self._position)])
            note(f"to go on from here: {again}")


def purge(topic: TaskTopic, /, *, yes: Yes = False, as_json: Json = False) -> ExitCode:
    """Drop what waits on a topic: its tasks are cancelled for the agents that have not begun them."""
    if not confirm(f"drop everything that waits on {topic}", is_agreed=yes):
        note("nothing was dropped")
        return ExitCode.FAILED
    # Asked before any loop runs: Ctrl-C ends a question, but not one that blocks a loop.
    return asyncio.run(_purge(topic, as_json=as_json))


async def _purge(topic: str, *, as_json: bool) -> ExitCode:
    async with session(PARTS) as opened:
        dropped = await opened.client.purge_topic(topic)
        if not dropped:
            await check_known(opened.client, topic)
    told = "1 delivery" if dropped == 1 else f"{dropped} deliveries"
    screen(as_json=as_json).show(shapes.purged(dropped), Lines.of(f"dropped {told} of {topic}"))
    return ExitCode.DONE
