"""`omni namespace`: all that one installation keeps on its bus and in its store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import NamespaceNotFound
from omnidaemon.domain.names import checked_name
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli.confirmation import confirm
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json, Yes
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import container_of
from omnidaemon.entrypoints.cli.views import Lines
from omnidaemon.ports.backend import Erasable

if TYPE_CHECKING:
    from omnidaemon.app.eraser import Erased
    from omnidaemon.bootstrap.container import Container

_Namespace = Annotated[
    str, Parameter(help="Its name: that of OMNIDAEMON_NAMESPACE, omni unless that is set. It has to be named.")
]
_Force = Annotated[bool, Parameter(help="Though workers live there: they find gone what they run.")]


def erase(namespace: _Namespace, /, *, yes: Yes = False, force: _Force = False, as_json: Json = False) -> ExitCode:
    """Remove everything of a namespace for good, on the bus and in the store that are set: tasks, results, dead
    letters, webhooks, agents and history. Other namespaces are not touched.

    Refused while workers live there; exit 3 where there is nothing. Works on bus and store directly, never through an
    API.
    """
    container = container_of(checked_name("namespace", namespace))
    place = container.runtime().place
    parts = (container.bus(), container.storage())
    if all(isinstance(part, Erasable) and part.is_missing() for part in parts):
        raise NamespaceNotFound(namespace, place)  # opened, it would be made
    if not confirm(f"erase the whole namespace {namespace} ({place})", is_agreed=yes):
        note("nothing was erased")
        return ExitCode.FAILED
    # Asked before any loop runs: Ctrl-C ends a question, but not one that blocks a loop.
    erased = asyncio.run(_erase(container, force=force))
    if erased.is_nothing:
        raise NamespaceNotFound(namespace, place)
    dropped = ", ".join(f"{number} {status}" for status, number in sorted(erased.runs.items()))
    told = (
        f"erased namespace {namespace}: {_many(erased.agents, 'agent')}, {_many(sum(erased.runs.values()), 'run')}"
        f"{f' ({dropped})' if dropped else ''}, {erased.waiting} waiting on the bus"
    )
    screen(as_json=as_json).show(shapes.erased(namespace, erased), Lines.of(told))
    return ExitCode.DONE


async def _erase(container: Container, *, force: bool) -> Erased:
    from omnidaemon.app.eraser import Eraser

    async with container.runtime() as runtime:
        return await Eraser(bus=runtime.bus, storage=runtime.storage).erase(force=force)


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
