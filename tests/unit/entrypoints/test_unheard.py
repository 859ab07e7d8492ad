"""Why nobody takes a task up."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.app.queries import AgentState
from omnidaemon.entrypoints.unheard import unknown_topic, why_unbegun, why_unended
from tests.unit.entrypoints.samples import IDLE_AGENT as GREETER

UNMANNED = attrs.evolve(GREETER, status=AgentState.UNMANNED, workers=0)
STOPPED = attrs.evolve(GREETER, name="other", status=AgentState.STOPPED)

RENAMED = (
    "no worker runs its agent old: was it renamed? omni agent remove greet.user old --to greeter; "
    "else omni run agents.py; looked in HERE"
)


@pytest.mark.parametrize(
    ("topic", "known", "said"),
    [
        ("greet.user", ["greet.user"], ""),
        ("greet.usr", ["greet.user", "echo"], "no agent listens to greet.usr; did you mean greet.user?"),
        ("report", ["greet.user", "echo"], "no agent listens to report; agents listen to echo, greet.user"),
        ("report", [], "no agent listens to report"),
        ("report", list("abcdefgh"), "no agent listens to report; agents listen to a, b, c, d, e and 3 more"),
    ],
)
def test_a_strange_topic_is_told_with_what_was_meant(topic, known, said):
    """The closest known topic, else all of them; nothing of a known one."""
    assert unknown_topic(topic, known) == said


def test_other_topics_are_named_to_who_may_know_them():
    """Neither the closest nor all of them to anybody else."""
    for topic in ("greet.usr", "report"):
        assert unknown_topic(topic, ["greet.user"], may_name=False) == f"no agent listens to {topic}"


@pytest.mark.parametrize(
    ("topic", "agents", "waited_for", "said"),
    [
        (
            "greet.usr",
            [GREETER],
            [],
            "no agent listens to greet.usr; did you mean greet.user?; looked in HERE",
        ),
        (
            "greet.user",
            [UNMANNED],
            [],
            "no worker runs its agent greeter; start one: omni run agents.py; looked in HERE",
        ),
        ("greet.user", [UNMANNED, STOPPED], ["other"], "its agent other is stopped: omni agent start greet.user other"),
        ("greet.user", [GREETER, STOPPED], ["greeter"], ""),
        ("greet.user", [GREETER], [], ""),
        (
            "greet.user",
            [GREETER, attrs.evolve(UNMANNED, name="old")],
            ["old"],
            RENAMED,
        ),
        (
            "greet.user",
            [UNMANNED, attrs.evolve(UNMANNED, name="b")],
            [],
            "no worker runs its agents greeter, b; start one: omni run agents.py; looked in HERE",
        ),
    ],
)  # fmt: skip
def test_a_task_that_lies_there_has_a_reason(topic, agents, waited_for, said):
    """A strange topic, a stopped agent, no worker; none when its agents are run and will come to it."""
    assert why_unbegun(topic, agents, "HERE", waited_for) == said


@pytest.mark.parametrize(
    ("agents", "running", "said"),
    [
        ([GREETER], ["greeter"], ""),
        ([UNMANNED], ["greeter"], "the worker of agent greeter is not heard any more;"),
        ([UNMANNED], ["other"], ""),
        ([attrs.evolve(UNMANNED, topic="else")], ["greeter"], ""),
        ([attrs.evolve(STOPPED, workers=0), UNMANNED], ["greeter", "other"], "the worker of agents other, greeter is"),
    ],
)
def test_what_runs_without_a_worker_is_told(agents, running, said):
    """Nobody lives who runs the agent, stopped or not; what others run of the task is of no account."""
    told = why_unended("greet.user", agents, running)
    assert told.startswith(said)
    assert bool(told) is bool(said)
