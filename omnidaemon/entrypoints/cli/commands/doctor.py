"""`omni doctor`: what is wrong or weakens durability, and what to do."""

from __future__ import annotations

from omnidaemon.domain.errors import ConfigurationError
from omnidaemon.entrypoints import diagnosis, shapes
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session
from omnidaemon.entrypoints.cli.views import Cell, Lines
from omnidaemon.entrypoints.diagnosis import Finding, Severity

_SIGNS = {Severity.WRONG: ("✗", "bold red"), Severity.WEAK: ("!", "yellow"), Severity.FINE: ("✓", "green")}


async def doctor(*, as_json: Json = False) -> ExitCode:
    """Find what is wrong or weakens durability, and what to do. Exit 1 when something is wrong."""
    try:
        async with session(needs=()) as opened:
            findings = await opened.findings()
    except ConfigurationError as error:
        findings = [diagnosis.broken("settings", error)]
    told = shapes.checkup(findings)
    screen(as_json=as_json).show(told, Lines(lines=tuple(_line(finding) for finding in findings)))
    return ExitCode.DONE if told["ok"] else ExitCode.FAILED


def _line(finding: Finding) -> Cell:
    sign, style = _SIGNS[finding.severity]
    advice = f"\n    {finding.advice}" if finding.advice else ""
    return Cell(
        text=" · ".join(filter(None, (finding.severity, finding.about, finding.found, finding.advice))),
        shown=f"{sign} {finding.about}: {finding.found}{advice}",
        style=style,
    )
