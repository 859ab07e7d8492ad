"""The system, and what went wrong, as it is answered."""

from __future__ import annotations

from typing import Any, Literal

from omnidaemon.entrypoints.http.schemas.kinds import Output


class About(Output):
    """What answers here: its version, and the paths of its OpenAPI document and its health."""

    name: str
    version: str
    openapi: str
    health: str


class Health(Output):
    """Whether it can work, and in `notes` what is lossy or degraded."""

    status: Literal["ok", "degraded", "unavailable"]
    bus: str
    store: str
    workers: int
    agents: int
    notes: list[str]


class Probe(Output):
    """The answer to a probe."""

    status: Literal["ok", "unavailable"]


class Timing(Output):
    """How many attempts took up to so many seconds, and longer than those of the entry before."""

    seconds: float
    attempts: int


class Counted(Output):
    """What one agent has done; `tasks_failed` counts attempts that raised."""

    tasks_received: int
    tasks_processed: int
    tasks_failed: int
    tasks_skipped: int
    tasks_retried: int
    tasks_dead_lettered: int
    tasks_cancelled: int
    tasks_crashed: int
    avg_processing_time_sec: float
    p95_processing_time_sec: float
    attempts_timed: int
    seconds_sum: float
    timings: list[Timing]


class Setting(Output):
    """A setting's value, without secrets, and where it came from."""

    value: str
    origin: str


class Finding(Output):
    """One thing that was looked at."""

    severity: Literal["wrong", "weak", "fine"]
    about: str
    found: str
    advice: str


class Checkup(Output):
    """What was found; `ok` unless something is wrong."""

    ok: bool
    findings: list[Finding]


class Flaw(Output):
    """One flaw of the input, and where it is."""

    where: str
    message: str


class Problem(Output):
    """An error (RFC 9457). `error` is the name that the same error has in Python, `attributes` what it says of
    itself."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    attributes: dict[str, Any]
    errors: list[Flaw]
