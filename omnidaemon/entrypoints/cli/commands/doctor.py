"""`omni doctor`: what is wrong or weakens durability, and what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs

from omnidaemon.domain.errors import ConfigurationError, OmniDaemonError
from omnidaemon.entrypoints.cli import diagnosis
from omnidaemon.entrypoints.cli.diagnosis import Finding, Place, Severity
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import Session, session
from omnidaemon.entrypoints.cli.views import Cell, Lines

_SIGNS = {Severity.WRONG: ("✗", "bold red"), Severity.WEAK: ("!", "yellow"), Severity.FINE: ("✓", "green")}
_GRAVEST_FIRST = list(Severity)


async def doctor(*, as_json: Json = False) -> ExitCode:
    """Find what is wrong or weakens durability, and what to do. Exit 1 when something is wrong."""
    findings = sorted([finding async for finding in _findings()], key=lambda one: _GRAVEST_FIRST.index(one.severity))
    is_well = all(finding.severity is not Severity.WRONG for finding in findings)
    screen(as_json=as_json).show(
        {"ok": is_well, "findings": [attrs.asdict(finding) for finding in findings]},
        Lines(lines=tuple(_line(finding) for finding in findings)),
    )
    return ExitCode.DONE if is_well else ExitCode.FAILED


def _line(finding: Finding) -> Cell:
    sign, style = _SIGNS[finding.severity]
    advice = f"\n    {finding.advice}" if finding.advice else ""
    return Cell(
        text=" · ".join(filter(None, (finding.severity, finding.about, finding.found, finding.advice))),
        shown=f"{sign} {finding.about}: {finding.found}{advice}",
        style=style,
    )


async def _findings() -> AsyncIterator[Finding]:
    try:
        async with session() as opened:
            for finding in _here(opened):
                yield finding
            try:
                async for finding in _there(opened):
                    yield finding
            except OmniDaemonError as error:
                yield diagnosis.broken("bus and store", error)
    except ConfigurationError as error:
        yield diagnosis.broken("settings", error)


def _here(opened: Session) -> Iterator[Finding]:
    yield from diagnosis.of_settings(opened.settings)
    yield from diagnosis.of_place(_place(opened.settings.data_dir))


async def _there(opened: Session) -> AsyncIterator[Finding]:
    client, now = opened.client, datetime.now(UTC)
    health = await client.health()
    for finding in diagnosis.of_health(health):
        yield finding
    if health.status == "unavailable":
        return
    weaknesses = await (await client.runtime()).queries.weaknesses()
    agents, workers, depths = await client.list_agents(), await client.list_workers(), await client.topics()
    newest = (await client.list_tasks(limit=1)).results
    for finding in (
        *diagnosis.of_weaknesses(weaknesses),
        *diagnosis.of_agents(agents, workers),
        *diagnosis.of_topics(depths),
        *diagnosis.of_workers(workers, now),
        *diagnosis.of_clock(now, newest[0].created_at if newest else None),
    ):
        yield finding


def _place(path: Path) -> Place:
    """The directory, or, as long as it is not there, the one in which it would be made."""
    from omnidaemon.adapters.sqlite.mounts import file_system_of  # noqa: PLC0415 - a reader of the system's table

    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # only Linux has it
        mounts = ""
    return Place(
        path=path,
        is_writable=existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(existing).free,
        file_system=file_system_of(Path(os.path.realpath(existing)), mounts),
    )
