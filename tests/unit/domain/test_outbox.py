"""An entry of the outbox, from its beginning to its end and back."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.domain.notification import notifications_of
from omnidaemon.domain.outbox import LONGEST_LOG, OutboxEntry, OutboxStatus, SendAttempt, Settlement
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.states import RunState
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain
from tests.unit.domain.samples import NOW, later, run

RUN = run(RunState.DEAD, return_address=ReturnAddress(created_at=NOW.at, reply_to="answers"))
ENTRY = OutboxEntry.of(notifications_of(RUN, NOW.at)[0], 7)
TAKEN = ENTRY.taken(later(30).at)


def settlement(entry, verdict, **attempt):
    return Settlement(
        notification_id=entry.notification_id, fence=entry.fence, verdict=verdict, attempt=SendAttempt(**attempt)
    )


def settled(entry, verdict, now=NOW, **attempt):
    after = entry.settled(settlement(entry, verdict, **attempt), now)
    assert after is not None
    return after


def test_an_entry_is_due_at_once():
    assert (ENTRY.due_at, ENTRY.status, ENTRY.position) == (NOW.at, OutboxStatus.PENDING, 7)
    assert (TAKEN.due_at, TAKEN.fence, TAKEN.attempts) == (later(30).at, 1, 0)


@pytest.mark.parametrize(
    ("verdict", "status", "due_at", "settled_at", "reason"),
    [
        (Delivered(), "delivered", None, later(2).at, None),
        (GivenUp("why"), "failed", None, later(2).at, "why"),
        (TryAgain(5.0), "pending", later(7).at, None, None),
    ],
    ids=["delivered", "given up", "again"],
)
def test_a_verdict_moves_it(verdict, status, due_at, settled_at, reason):
    after = settled(TAKEN, verdict, later(2), status_code=500, seconds=0.5)
    assert (after.status, after.due_at, after.settled_at, after.reason) == (status, due_at, settled_at, reason)
    assert after.log == (SendAttempt(status_code=500, seconds=0.5, attempt=1, at=later(2).at),)
    assert after.attempts == 1


def test_only_the_latest_who_took_it_can_settle_it():
    """And only once: the same settlement after a lost reply counts nothing."""
    assert TAKEN.taken(later(60).at).settled(settlement(TAKEN, Delivered()), NOW) is None
    for verdict in (Delivered(), GivenUp("why"), TryAgain(1)):
        assert settled(TAKEN, verdict).settled(settlement(TAKEN, verdict), NOW) is None


@pytest.mark.parametrize("verdict", [Delivered(), GivenUp("why"), TryAgain(9)])
def test_it_can_be_delivered_anew(verdict):
    """With all attempts before it, and the log of those it had."""
    again = settled(TAKEN, verdict).redelivered(later(9))
    assert (again.status, again.attempts, again.due_at, again.settled_at) == ("pending", 0, later(9).at, None)
    assert again.reason is None
    assert again.settled(settlement(TAKEN, Delivered()), NOW) is None
    assert [line.attempt for line in settled(again.taken(later(60).at), Delivered()).log] == [1, 1]


def test_its_log_is_bounded():
    entry = attrs.evolve(TAKEN, log=tuple(SendAttempt(attempt=number) for number in range(LONGEST_LOG)))
    log = settled(entry, TryAgain(1), error="new").log
    assert (len(log), log[-1].error, log[0].attempt) == (LONGEST_LOG, "new", 1)


def test_it_tells_how_often_it_failed_alike():
    """In a row, up to now, and of the attempts that count."""
    entry = TAKEN
    for error, in_a_row in (("x", 1), ("x", 2), ("other", 0), ("x", 1), ("x", 2)):
        entry = settled(entry, TryAgain(1), error=error)
        assert entry.failed_in_a_row("x") == in_a_row
    again = entry.redelivered(NOW)
    assert (again.failed_in_a_row("x"), settled(again, TryAgain(1), error="x").failed_in_a_row("x")) == (0, 1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("half \ud800", "half \\ud800"),
        ("a\0b", "a\\x00b"),
        ("é" * 300, "é" * 300),
        ("x" * 2**20, "x" * 299 + "…"),
        ("\ud800" * 400, ("\\ud800" * 50)[:299] + "…"),
    ],
    ids=["surrogate", "NUL", "fits", "long", "long when written out"],
)
def test_what_others_say_is_kept_in_brief(text, kept):
    """As a reason and as the error of an attempt, in what any store can hold."""
    entry = settled(TAKEN, GivenUp(text), error=text)
    assert (entry.reason, entry.log[0].error) == (kept, kept)
