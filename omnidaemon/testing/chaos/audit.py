"""The audit: what was promised to publishers against what handlers did and what the store says of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from omnidaemon.testing.chaos.records import Answer, Execution, Publication

_RECORDING_SECONDS = 2.0
_MOST_NAMED = 10


@attrs.frozen(kw_only=True)
class Interruption:
    """A process that was killed, or frozen for longer than a lease: what it had under way may run again elsewhere."""

    pid: int
    at: float


@attrs.frozen(kw_only=True)
class Ending:
    """How a task stands in the store: its state, whether that is an end, and the value that was recorded."""

    status: str
    is_end: bool
    result: object = None


@attrs.frozen(kw_only=True)
class Verdict:
    """What an audit found. `excess` are executions beyond one: of those that interruptions cut off (`cut_off`), and of
    some that had ended, and whose outcome was not recorded yet (`unrecorded`).

    `lost`: confirmed, and not ended well. `duplicated`: executed once more than interruptions excuse. `unexpected`:
    executed though its publication had failed, or by nobody's wish. `contradicted`: the store's outcome is not what the
    handlers did. `split`: several tasks where there should be one. `crossed`: somebody was given the answer to another
    one's question, the id of another's task or another's result."""

    published: int
    executed: int
    excess: int
    cut_off: int
    unrecorded: int
    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    crossed: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether the promise was kept."""
        return not self.faults()

    def faults(self) -> str:
        """What was found, with some of the names; empty when it is clean."""
        return named(
            {
                "lost": self.lost,
                "duplicated": self.duplicated,
                "unexpected": self.unexpected,
                "contradicted": self.contradicted,
                "split": self.split,
                "crossed": self.crossed,
            }
        )

    def figures(self) -> dict[str, int]:
        """The counts, for a table."""
        return {
            "published": self.published,
            "executed": self.executed,
            "beyond one": self.excess,
            "cut off": self.cut_off,
            "ended unrecorded": self.unrecorded,
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "unexpected": len(self.unexpected),
            "contradicted": len(self.contradicted),
            "split": len(self.split),
            "crossed": len(self.crossed),
        }


def named(faults: Mapping[str, Sequence[str]]) -> str:
    """How many there are of each kind of fault, and the first few."""
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:_MOST_NAMED])}{', …' if len(names) > _MOST_NAMED else ''}"
        for kind, names in faults.items()
        if names
    )


def value_of(item: str, pid: int) -> str:
    """What an audited handler returns: says who has done it."""
    return f"{item} by {pid}"


def is_value_of(item: str, value: object) -> bool:
    """Whether an audited handler may have returned this for the item, in whichever process."""
    text = str(value)
    return text.startswith(f"{item} by ") and text.removeprefix(f"{item} by ").isdigit()


def audit(
    publications: Mapping[str, Publication],
    executions: Sequence[Execution],
    endings: Mapping[str, Ending],
    interruptions: Iterable[Interruption] = (),
    *,
    recording_seconds: float = _RECORDING_SECONDS,
    is_lossy: bool = False,
    doomed: Collection[str] = (),
) -> Verdict:
    """Compare the three accounts, once nothing is under way any more.

    `endings` are the store's, by task id. Every handler's value is `value_of` its item in its process. An execution is
    excused when its process was interrupted while it ran, or within `recording_seconds` after its end: its outcome may
    not have been recorded. A task that a lossy bus lost before its beginning is not counted as lost. Items that are
    `doomed` have to end dead.
    """
    by_item: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        by_item[execution.item].append(execution)
    cuts: dict[int, list[float]] = defaultdict(list)
    for interruption in interruptions:
        cuts[interruption.pid].append(interruption.at)

    excess, cut_off, excused = Counter[str](), Counter[str](), Counter[str]()
    for (task_id, agent), runs in _by_run(executions).items():
        run = f"{task_id}/{agent}"
        excess[run] = len(runs) - 1
        cut_off[run] = sum(_is_excused(each, cuts[each.pid], 0.0) for each in runs)
        excused[run] = sum(_is_excused(each, cuts[each.pid], recording_seconds) for each in runs)
    return Verdict(
        published=sum(each.answer is Answer.OK for each in publications.values()),
        executed=len(executions),
        excess=excess.total(),
        cut_off=cut_off.total(),
        unrecorded=sum(max(0, min(count, excused[run]) - cut_off[run]) for run, count in excess.items()),
        lost=tuple(
            item
            for item, told in publications.items()
            if told.answer is Answer.OK
            and not (is_lossy and item not in by_item)
            and not any(
                _is_done(endings.get(task_id), "dead" if item in doomed else "succeeded") for task_id in told.task_ids
            )
        ),
        duplicated=tuple(run for run, count in excess.items() if count > excused[run]),
        unexpected=tuple(
            item for item in by_item if item not in publications or publications[item].answer is Answer.FAILED
        ),
        contradicted=tuple(_contradictions(executions, endings)),
        split=tuple(item for item, told in publications.items() if len(told.task_ids) > 1),
        crossed=tuple(_crossed(publications, executions)),
    )


def _by_run(executions: Sequence[Execution]) -> dict[tuple[str, str], list[Execution]]:
    runs: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for execution in executions:
        runs[execution.task_id, execution.agent].append(execution)
    return runs


def _is_excused(execution: Execution, cuts: Sequence[float], recording_seconds: float) -> bool:
    ended_at = float("inf") if execution.ended_at is None else execution.ended_at + recording_seconds
    return any(execution.began_at <= at <= ended_at for at in cuts)


def _is_done(ending: Ending | None, status: str) -> bool:
    return ending is not None and ending.is_end and ending.status == status


def _contradictions(executions: Sequence[Execution], endings: Mapping[str, Ending]) -> Iterable[str]:
    """Tasks whose recorded value is not that of the last handler which began it, and came to its end: whoever begins a
    run holds it from then on, so a value of an earlier one is a stale outcome."""
    last = {execution.task_id: execution for execution in sorted(executions, key=lambda each: each.began_at)}
    for task_id, ending in endings.items():
        if ending.status == "succeeded":
            execution = last.get(task_id)
            if (
                execution is None
                or execution.ended_at is None
                or ending.result != value_of(execution.item, execution.pid)
            ):
                yield task_id


def _crossed(publications: Mapping[str, Publication], executions: Sequence[Execution]) -> Iterable[str]:
    """Items of which a publisher was told an id under which something else was executed, or was given a result that is
    something else's."""
    executed = {execution.task_id: execution.item for execution in executions}
    for item, told in publications.items():
        is_anothers = any(executed.get(task_id, item) != item for task_id in told.task_ids)
        if is_anothers or any(not is_value_of(item, result) for result in told.results):
            yield item
