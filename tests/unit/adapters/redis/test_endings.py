"""What is told of ended runs: whole, by name, or that one has to look."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import doorbell
from omnidaemon.adapters.redis.doorbell import ToldEndings
from omnidaemon.adapters.redis.forms import head_of, shared_of
from omnidaemon.adapters.system import SystemClock
from omnidaemon.domain.instant import micros
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import replace
from omnidaemon.ports.run_store import Ended
from tests.unit.domain.samples import run

CODEC = JsonCodec()
ENDED = replace(run(RunState.SUCCEEDED), result='{"name": "Zoë\\n"}'.encode(), lease_until=None)
RECORD = b"%b[%d,%b,%b\n%b" % (
    head_of(ENDED, 3).encode(),
    micros(ENDED.queued_at),
    repr(ENDED.seconds).encode(),
    shared_of(ENDED, CODEC, has_result=True),
    ENDED.result or b"",
)


def message(*parts: tuple[str, bytes]) -> bytes:
    """As the script writes it."""
    return b"".join(b"%b greeter %d\n%b" % (name.encode(), len(record), record) for name, record in parts)


def endings() -> ToldEndings:
    """For whoever wants the tasks t1 and t2."""
    return ToldEndings(set(), {"t1", "t2"}, SystemClock(), CODEC)


async def test_what_is_wanted_is_told():
    """The run where it came along, else the name; nothing of others, and all of it once."""
    heard = endings()
    heard.tell(message(("t3", RECORD), ("t1", RECORD)))
    heard.tell(message(("t2", b""), ("t4", b"")))
    told = await heard.wait(0)
    assert told is not None
    assert [(each.task_id, each.run and each.run.result) for each in told] == [("t1", ENDED.result), ("t2", None)]
    assert told[0].run == replace(ENDED, task_id="t1")
    assert await heard.wait(0) == []


async def test_what_is_passed_on_is_told_at_once():
    """Before anybody else on the loop has a turn; that one has to look still comes by waiting."""
    heard = endings()
    taken: list[str] = []
    heard.pass_on(lambda ended: taken.extend(each.task_id for each in ended))
    heard.tell(message(("t3", RECORD), ("t1", RECORD)))
    heard.tell(None)
    heard.tell(message(("t2", b"")))
    assert taken == ["t1", "t2"]
    assert await heard.wait(0) is None
    assert await heard.wait(0) == []


@pytest.mark.parametrize("agents", ["greeter", "greeter,other", "other", "*", None])
async def test_how_the_task_stands_is_told_where_its_only_agent_has_ended_it(agents):
    """Of others one has to look; as where a worker of an older version tells."""
    heard = endings()
    told = f"t1 greeter {len(RECORD)}" + ("" if agents is None else f" {micros(ENDED.queued_at)} {agents}")
    heard.tell(told.encode() + b"\n" + RECORD)
    (ended,) = await heard.wait(0) or ()
    run = replace(ENDED, task_id="t1")
    standing = TaskStanding("t1", run.subscription.topic, run.queued_at, ("greeter",), (run,))
    assert ended == Ended("t1", run, standing if agents == "greeter" else None)


@pytest.mark.parametrize(
    "unreadable",
    [
        None,
        b"nonsense",
        b"t1 greeter\n",
        message(("t1", b"melted\t1\t\t0\t1\n[]\n")),
        message(("t1", b"{}")),
        message(("t1", RECORD.replace(b"[%d," % micros(ENDED.queued_at), b"[null,"))),
        message(("t1", RECORD.replace(b"[%d," % micros(ENDED.queued_at), b"[9e30,"))),
        message(("t1", RECORD.replace(b"null,null,null,null", b"[],null,null,null"))),
    ],
)
async def test_what_cannot_be_read_is_looked_at(unreadable):
    """A newer version's, or anything: it must not end the listening. None stands for a break."""
    heard = endings()
    heard.tell(message(("t1", RECORD)))
    heard.tell(unreadable)
    assert await heard.wait(0) is None
    heard.tell(message(("t1", RECORD)))
    assert len(await heard.wait(0) or ()) == 1


async def test_what_nobody_takes_is_bounded(monkeypatch):
    """Beyond it one has to look."""
    monkeypatch.setattr(doorbell, "_MOST_ENDED", 10)
    heard = endings()
    for _ in range(20):
        heard.tell(message(("t1", b"")))
    assert await heard.wait(0) is None
