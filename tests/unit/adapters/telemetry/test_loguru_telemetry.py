"""What loguru gets to hear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from omnidaemon.adapters.telemetry.loguru_telemetry import LoguruTelemetry
from omnidaemon.app.outages import Outages
from omnidaemon.ports.telemetry import Level
from omnidaemon.testing.clock import ManualClock
from tests.unit.app.faults import away

if TYPE_CHECKING:
    from loguru import Message, Record


@pytest.fixture
def records() -> Iterator[list[Record]]:
    """What is logged by the library, while it is switched on."""
    kept: list[Record] = []

    def keep(message: Message) -> None:
        kept.append(message.record)

    sink = logger.add(keep, level="DEBUG", filter="omnidaemon", format="{message}")
    logger.enable("omnidaemon")
    yield kept
    logger.disable("omnidaemon")
    logger.remove(sink)


def test_a_record_names_who_has_spoken(records: list[Record]) -> None:
    """The module, so that a filter by name is of use; below the library's name, by which it is switched on and off."""
    Outages(ManualClock(), LoguruTelemetry()).met(1, away())
    (record,) = records
    assert (record["name"], record["function"]) == ("omnidaemon.app.outages", "met")


def test_nothing_is_formatted_and_fields_are_kept_apart(records: list[Record]) -> None:
    """Braces in what an agent has raised are only braces."""
    exec(  # noqa: S102 - spoken as if by a module of the library
        "telemetry.say(level, '{0} {task_id}', task_id='t1')",
        {"telemetry": LoguruTelemetry(), "level": Level.INFO, "__name__": "omnidaemon.somewhere"},
    )
    (record,) = records
    assert (record["message"], record["extra"]) == ("{0} {task_id}", {"task_id": "t1"})
