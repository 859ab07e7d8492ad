"""`omni health`: whether bus and store answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import Session, session
from omnidaemon.entrypoints.diagnosis import PATIENCE_SECONDS, Severity


async def health(*, as_json: Json = False) -> ExitCode:
    """Say whether bus and store answer, and what is lossy or degraded. Exit 4 when they do not.

    Dead letters, webhooks that were given up, clocks and how servers are set are for `omni doctor` to look at; health
    points to it when it has something to tell.
    """
    async with session(needs=()) as opened:
        state = await opened.health()
        screen(as_json=as_json).show(shapes.health(state), fleet_views.health_card(state))
        if state.status == "unavailable":
            return ExitCode.UNREACHABLE
        await _point_to_the_doctor(opened)
    return ExitCode.DONE


async def _point_to_the_doctor(opened: Session) -> None:
    with contextlib.suppress(OmniDaemonError, TimeoutError):  # it was asked how it is, not for a check-up
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = Counter(finding.severity for finding in await opened.findings())
        told = [f"{found[severity]} {severity}" for severity in (Severity.WRONG, Severity.WEAK) if found[severity]]
        if told:
            note(
                f"this is about bus, store and workers; a closer look finds: {', '.join(told)}; "
                "omni doctor tells of each, and what to do"
            )
