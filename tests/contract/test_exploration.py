"""The rules of the gates, tried in every order on the memory storage; and that breaking any of them is noticed."""

from __future__ import annotations

import itertools

import attrs
import pytest

from omnidaemon.adapters.memory.snapshot import MemorySnapshot
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.adapters.memory.storage import MemoryStorage
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.notification import notifications_of
from omnidaemon.domain.policy import DeliveryPolicy
from omnidaemon.domain.values import replace
from omnidaemon.ports.clock import Clock
from omnidaemon.testing.exploration import ONE, TWO, Scenario, explore
from omnidaemon.testing.model.checks import Violation
from omnidaemon.testing.model.world import LEASE_SECONDS, Faults


class BranchingMemory:
    """The memory storage, with the way back that exploration needs."""

    def __init__(self, clock: Clock, gates: Gates | None = None, guard: LapseGuard | None = None) -> None:
        self._space = MemorySpace(clock, gates)
        self._space.guard = guard or LapseGuard()
        storage = MemoryStorage(self._space)
        self.runs, self.commands, self.log = storage.runs, storage.commands, storage.log

    def snapshot(self) -> MemorySnapshot:
        return MemorySnapshot.of(self._space)

    def restore(self, state: MemorySnapshot) -> None:
        state.restore(self._space)


POISON = DeliveryPolicy(max_attempts=2, backoff=0, jitter=0, lease=LEASE_SECONDS, crash_limit=2)
SCENARIOS = [
    Scenario(name="no fault", tasks=2),
    Scenario(name="retries", tasks=2, may_fail=True),
    Scenario(name="crash and duplicate, two tasks", tasks=2, faults=Faults(crash=1, duplicate=1)),
    Scenario(name="freeze and lost reply, two tasks", tasks=2, faults=Faults(freeze=1, lost=1)),
    Scenario(name="crash, freeze, lost reply, duplicate", faults=Faults(crash=1, freeze=1, lost=1, duplicate=1)),
    Scenario(name="two crashes, two duplicates", faults=Faults(crash=2, duplicate=2), may_fail=True),
    Scenario(name="calls delayed", faults=Faults(delayed=1, duplicate=1, drain=1)),
    Scenario(name="the store away twice", faults=Faults(gap=2, crash=1, freeze=1)),
    Scenario(name="cancel and requeue", faults=Faults(cancel=2, requeue=1, duplicate=1, lost=1)),
    Scenario(name="cancel, crash, freeze", faults=Faults(cancel=1, crash=1, freeze=1), may_fail=True),
    Scenario(name="delete", faults=Faults(delete=1, cancel=1, duplicate=2, lost=1)),
    Scenario(name="question", faults=Faults(answer=1, crash=1, cancel=1, lost=1), may_ask=True),
    Scenario(name="drain", faults=Faults(drain=2, crash=1, lost=1)),
    Scenario(
        name="all workers of an agent gone",
        workers=((ONE,), (TWO,)),
        faults=Faults(crash=1, lost=1, duplicate=1),
        crashes_are_final=True,
    ),
    Scenario(name="last chance", tasks=2, faults=Faults(crash=2), policy=POISON),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_order_keeps_the_promises(scenario, capsys):
    """No promise is broken in any state, and each state has a way to an end that needs no further fault."""
    explored = explore(scenario, BranchingMemory)
    with capsys.disabled():
        print(f"\n{explored}", end=" ")  # noqa: T201 - how much was explored is part of the result
    assert explored.states > 1


# --- mutations: each rule broken on purpose ---------------------------------------------------------------------------


class OwnerIsEnough(Gates):
    """finish() looks at who asks, not at the number of the grant."""

    def finish(self, request, finishes, found, now):
        current = []
        for finish in finishes:
            run = found.get((finish.task_id, finish.agent))
            current.append(finish if run is None else replace(finish, fence=run.fence))
        return super().finish(request, current, found, now)


class NoFence(OwnerIsEnough):
    """finish() takes any grant for the current one."""

    def finish(self, request, finishes, found, now):
        owner = next((run.owner for run in found.values() if run.owner), request.incarnation)
        return super().finish(attrs.evolve(request, incarnation=owner), finishes, found, now)


class NoRequestId(Gates):
    """A call that is asked again is taken for a new one."""

    _counters = itertools.count(1_000_000)

    def admit(self, request, latest_counter):
        return False

    def begin(self, request, intakes, found, marks, now):
        return super().begin(attrs.evolve(request, counter=next(self._counters)), intakes, found, marks, now)


class NoStaleRequest(Gates):
    """A call that was overtaken is carried out."""

    def admit(self, request, latest_counter):
        return request.counter == latest_counter


class NoInsertIfAbsent(Gates):
    """begin() inserts whatever is there."""

    def begin(self, request, intakes, found, marks, now):
        return super().begin(request, intakes, {}, marks, now)


class NoMark(Gates):
    """begin() does not look for a cancellation."""

    def begin(self, request, intakes, found, marks, now):
        return super().begin(request, intakes, found, Marks(tombstones=marks.tombstones), now)


class NoTombstone(Gates):
    """begin() does not look for a deletion."""

    def begin(self, request, intakes, found, marks, now):
        return super().begin(request, intakes, found, Marks(cancelled=marks.cancelled), now)


class NoFlag(Gates):
    """A run whose worker died is run again, though somebody cancelled it."""

    def lapse(self, running, guard, now):
        return super().lapse((replace(run, is_cancel_requested=False) for run in running), guard, now)


class NoLapse(Gates):
    """Nobody takes a dead worker's runs."""

    def lapse(self, running, guard, now):
        return super().lapse((), guard, now)


class NotAlone(Gates):
    """Runs at their last chance are granted like all others."""

    def choose(self, limits, due, now, *, is_idle):
        eager = [attrs.evolve(limit, crash_limit=100) for limit in limits]
        return super().choose(eager, due, now, is_idle=is_idle)


class NoNewsOfACancellation(Gates):
    """A flagged run that is cancelled when its worker dies tells nobody."""

    def lapse(self, running, guard, now):
        return replace(super().lapse(running, guard, now), notifications=())


class NoNews(Gates):
    """A run that ends tells nobody."""

    def finish(self, request, finishes, found, now):
        answers, changes = super().finish(request, finishes, found, now)
        return answers, replace(changes, notifications=())


class NewsOfEveryAttempt(Gates):
    """A run that is tried again tells of it as if it had ended."""

    def finish(self, request, finishes, found, now):
        answers, changes = super().finish(request, finishes, found, now)
        told = [each for run in changes.runs for each in notifications_of(run, now.at)]
        return answers, replace(changes, notifications=tuple(told))


class EternalGrace(LapseGuard):
    """Every sign of life within a grace begins it anew."""

    def touched(self, now, shortest_lease, longest_lease):
        guard = super().touched(now, shortest_lease, longest_lease)
        resumed_at = guard.resumed_at if guard.may_lapse(longest_lease, now) else now
        return EternalGrace(**{**attrs.asdict(guard), "resumed_at": resumed_at, "heard_seconds": 0.0})


class NoGrace(LapseGuard):
    """Leases are judged right after the store was away."""

    def touched(self, now, shortest_lease, longest_lease):
        return attrs.evolve(self, last_seen=now)


MUTATIONS = [
    (NoFence(), Faults(freeze=1), "an outcome is recorded under the current grant alone"),
    (OwnerIsEnough(), Faults(delayed=1), "an outcome is recorded under the current grant alone"),
    (NoRequestId(), Faults(lost=1), "no crash is counted where nobody crashed"),
    (NoStaleRequest(), Faults(delayed=1, drain=1), "no crash is counted where nobody crashed"),
    (NoInsertIfAbsent(), Faults(duplicate=1), "each grant has a fence of its own"),
    (NoMark(), Faults(cancel=1), "nothing is executed that was cancelled before it began"),
    (NoTombstone(), Faults(delete=1, duplicate=1), "nothing is executed that was deleted"),
    (NoFlag(), Faults(cancel=1, crash=1), "a run that was cancelled is not run again"),
    (NoLapse(), Faults(crash=1), "no end can be reached any more"),
    (NotAlone(), Faults(crash=2), "a run at its last chance runs alone"),
    (NoNews(), Faults(), "each end is told once to each who wants to hear of it"),
    (NoNewsOfACancellation(), Faults(cancel=1, crash=1), "each end is told once to each who wants to hear of it"),
    (NewsOfEveryAttempt(), Faults(), "each end is told once to each who wants to hear of it"),
    (EternalGrace(), Faults(gap=1, crash=1), "no end can be reached any more"),
    (NoGrace(), Faults(gap=1), "no crash is counted where nobody crashed"),
]


@pytest.mark.parametrize(
    ("mutant", "faults", "broken"), MUTATIONS, ids=[type(mutant).__name__ for mutant, _, _ in MUTATIONS]
)
def test_a_broken_rule_is_noticed(mutant, faults, broken):
    """Each mutation of a rule breaks the promise that the rule is for; the message shows the way there."""
    tasks = 2 if isinstance(mutant, NotAlone) else 1
    scenario = Scenario(name="mutation", tasks=tasks, faults=faults, policy=POISON, may_fail=True)
    parts = {"gates": mutant} if isinstance(mutant, Gates) else {"guard": mutant}
    with pytest.raises(Violation, match=broken):
        explore(scenario, lambda clock: BranchingMemory(clock, **parts))
