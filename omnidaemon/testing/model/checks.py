"""The promises that a store's answers and states are held to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from omnidaemon.domain.notification import Notification, NotificationKind, notification_id
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.testing.model.steps import Step
from omnidaemon.testing.model.world import Call, Phase, Worker, World

Runs = Mapping[RunKey, Run]
Told = Mapping[str, Notification]


class Violation(AssertionError):
    """A promise was broken."""


def promise(is_kept: bool, what: str, *facts: object) -> None:  # noqa: FBT001 - reads like assert
    """Raise `Violation` when the promise is not kept."""
    if not is_kept:
        raise Violation(f"{what}: {', '.join(map(str, facts))}")


def check_grant(grant: Grant, worker: Worker, world: World) -> None:
    """A grant is for its asker, and never for what was cancelled before it began."""
    run = grant.run
    promise(run.owner == worker.incarnation, "a grant belongs to who asked", run)
    promise(run.key not in world.forbidden, "nothing is executed that was cancelled before it began", run)
    promise(run.task_id not in world.deleted, "nothing is executed that was deleted", run)
    if world.policy.is_last_chance(run.crashes):
        promise(not worker.holdings, "a run at its last chance runs alone", run, worker)
    else:
        promise(not any(h.is_last_chance for h in worker.holdings), "a run at its last chance runs alone", run, worker)


def check_recorded(call: Call, before: Runs, *, is_recorded: bool) -> None:
    """Only the current grant records an outcome, and it does; but for a call that is asked again."""
    finish = call.finish
    assert finish is not None
    run = before.get((finish.task_id, finish.agent))
    is_current = (
        run is not None
        and run.state is RunState.RUNNING
        and (run.owner, run.fence) == (call.request.incarnation, finish.fence)
    )
    is_asked_again = run is not None and run.request == str(call.request)
    promise(
        is_recorded == is_current or is_asked_again, "an outcome is recorded under the current grant alone", call, run
    )


def check_runs(before: Runs, after: Runs, world: World) -> None:
    """What no step may do to a run."""
    for key, run in before.items():
        moved = after.get(key)
        if moved is None:
            promise(key[0] in world.deleted, "no run is lost", run)
        elif moved is not run:
            _check_move(run, moved)
    faults = world.spent("crash") + world.spent("freeze")
    for run in after.values():
        promise(run.crashes <= faults, "no crash is counted where nobody crashed", run)


def check_told(before: Runs, after: Runs, told_before: Told, told: Told) -> None:
    """Each end is told once to each who wants to hear of it, as it was, and nothing is dropped unsent."""
    promise(told_before.keys() <= told.keys(), "nothing is dropped unsent", told_before.keys() - told.keys())
    ends = [run for key, run in after.items() if run.state.is_end and not _has_ended(before.get(key), run)]
    expected = {notification_id(kind, run): run for run in ends for kind in NotificationKind}
    new = {each: told[each].run for each in told.keys() - told_before.keys()}
    promise(new == expected, "each end is told once to each who wants to hear of it", new, expected)


def _has_ended(before: Run | None, run: Run) -> bool:
    return before is not None and before.state.is_end and before.life == run.life


def _check_move(run: Run, moved: Run) -> None:
    promise(moved.life >= run.life, "lives only grow", run, moved)
    promise(moved.fence >= run.fence, "fences only grow", run, moved)
    if run.state.is_end and moved != run:
        promise(moved.life == run.life + 1, "one outcome is recorded per life", run, moved)
    if run.is_cancel_requested and moved.life == run.life:
        is_kept = moved.is_cancel_requested and moved.fence == run.fence
        promise(is_kept, "a run that was cancelled is not run again", run, moved)
    if moved.state is RunState.RUNNING and (run.owner, run.request) != (moved.owner, moved.request):
        promise(moved.fence > run.fence, "each grant has a fence of its own", run, moved)


def check_world(step: Step, before: World, world: World) -> None:
    """What the workers do with their grants, all together."""
    if not world.spent("freeze"):
        executing = Counter(h.key for w in world.workers for h in w.holdings if h.phase is Phase.RUNNING)
        promise(max(executing.values(), default=0) <= 1, "one owner at a time", world.workers)
    if world.budget == type(world.budget)() and not world.may_fail and not world.may_ask:
        started = Counter(h.key for w in world.workers for h in w.holdings) - Counter(
            h.key for w in before.workers for h in w.holdings
        )
        promise(not before.executed & set(started), "with no fault, one execution", step)
