"""How tasks stand, by one statement for a page: what they say, and what only a worker needs, stays unread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from omnidaemon.adapters.sqlite.reading import Reading, as_array, names
from omnidaemon.adapters.sqlite.rows import ERRORS, STATES
from omnidaemon.domain.instant import moment, moment_or_none
from omnidaemon.domain.names import subscription
from omnidaemon.domain.record import answerable
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.standing import TaskStanding

_STANDINGS: Final = """
    SELECT tasks.position, tasks.task_id, tasks.topic, tasks.created_at, tasks.agents, tasks.is_cancelled,
        schedules.free_at, runs.agent, runs.state, runs.attempts, runs.crashes, runs.due_at, runs.started_at,
        runs.finished_at, runs.seconds, runs.result, runs.errors
    FROM tasks
    LEFT JOIN schedules ON schedules.task_id = tasks.task_id
    LEFT JOIN runs ON runs.task_id = tasks.task_id
    WHERE tasks.position IN (SELECT value FROM json_each(?))
    ORDER BY tasks.position DESC, runs.agent
"""


def standings(reading: Reading, positions: Iterable[int]) -> list[tuple[int, TaskStanding]]:
    """How the tasks at these positions stand, with their positions, newest first."""
    rows = reading.rows(_STANDINGS, [as_array(positions)])
    known = reading.agents(row[2] for row in rows)
    found: list[tuple[int, TaskStanding]] = []
    runs: list[RunStanding] = []
    following = iter([*[row[0] for row in rows[1:]], None])
    for (
        position,
        task_id,
        topic,
        created_at,
        named,
        is_cancelled,
        free_at,
        agent,
        state,
        attempts,
        crashes,
        due_at,
        started_at,
        finished_at,
        seconds,
        result,
        errors,
    ) in rows:
        if agent is not None:
            run = RunStanding(
                task_id,
                subscription(topic, agent),
                STATES[state],
                attempts,
                crashes,
                moment_or_none(due_at),
                moment_or_none(started_at),
                moment_or_none(finished_at),
                seconds,
                result,
                () if errors is None else reading.codec.load(errors, ERRORS),
            )
            runs.append(run)
        if next(following) != position:  # a task has a row for each of its runs, or one without any
            at = moment(created_at)
            agents, scheduled_for = answerable(names(named), topic, at, known), moment_or_none(free_at)
            standing = TaskStanding(task_id, topic, at, agents, tuple(runs), bool(is_cancelled), scheduled_for)
            found.append((position, standing))
            runs.clear()
    return found
