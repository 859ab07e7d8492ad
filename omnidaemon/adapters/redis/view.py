"""What a decision rests on: the runs as the server is believed to keep them, each to be compared before anything is
written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.forms import ABSENT, Kept, kept_of
from omnidaemon.domain.gates import Marks
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.ports.codec import Codec

FRESH: Final = "001"
"""The marks of a run that nothing forbids: not cancelled, not buried, and its task is in the log."""

_UNASKED: Final = "-"
_UNMARKED: Final = (_UNASKED, FRESH)
_NONE: Final = Marks()


class View:
    """Begins with what the caller believes, and learns from each refusal what is so instead."""

    def __init__(self, codec: Codec, believed: Mapping[RunKey, Kept], *, marks: str = _UNASKED) -> None:
        self.kept = dict(believed)
        self._codec = codec
        self._marks = dict.fromkeys(believed, marks)
        self._tasks: list[Any] = []

    @property
    def found(self) -> dict[RunKey, Run]:
        """The runs that exist."""
        return {key: kept.run for key, kept in self.kept.items() if kept.run is not None}

    @property
    def marks(self) -> Marks:
        """What forbids deliveries."""
        marked = [(key, marks) for key, marks in self._marks.items() if marks not in _UNMARKED]
        if not marked:
            return _NONE
        return Marks(
            cancelled={key[0] for key, marks in marked if marks[0] == "1"},
            tombstones={key for key, marks in marked if marks[1] == "1"},
        )

    @property
    def logged(self) -> set[str]:
        """The tasks that are in the log, as far as that was asked."""
        return {key[0] for key, marks in self._marks.items() if marks[2:] == "1"}

    def expect_absent(self, keys: Iterable[RunKey]) -> None:
        """Rest on it that there are no runs of these, where nothing is known of them yet."""
        for key in keys:
            self.kept.setdefault(key, ABSENT)
            self._marks.setdefault(key, _UNASKED)

    def expect_task(self, expectation: Sequence[Any]) -> None:
        """Rest on a whole task: id, number of fields, named agents, mark, schedule."""
        self._tasks.append(expectation)

    def expectations(self) -> list[Any]:
        """As the script takes them: in the order of `kept`, by which what is written names their tasks."""
        words: list[Any] = []
        stretches: list[tuple[tuple[str, str, str], list[str]]] = []
        last: tuple[str, str, str] | None = None
        task_ids: list[str] = []
        for key, kept in self.kept.items():
            terms = (key[1], kept.head, self._marks[key])
            if terms != last:
                last, task_ids = terms, []
                stretches.append((terms, task_ids))
            task_ids.append(key[0])
        if stretches:
            words += ["runs", len(stretches)]
            for terms, task_ids in stretches:
                words += [*terms, len(task_ids), *task_ids]
        if self._tasks:
            words += ["tasks", len(self._tasks)]
            for task in self._tasks:
                words += task
        return words

    def learn(self, told: Sequence[Any]) -> None:
        """Take in what the script says of a run."""
        _, task_id, agent, record, lease, marks = told
        key = (task_id.decode(), agent.decode())
        self.kept[key] = kept_of(key, record, lease, self._codec)
        self._marks[key] = marks.decode()
