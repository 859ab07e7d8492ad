"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import InvalidInput, InvalidValue

Json = Annotated[bool, Parameter(name="--json", help="Print pure JSON.")]
Wait = Annotated[
    bool, Parameter(help="Wait, and show what came of it: exit 0 if it succeeded, 1 if not, 5 if it goes on.")
]
Timeout = Annotated[
    str | None,
    Parameter(help="How long to wait, such as 90, 10m or 500ms. 30 seconds unless given."),
]
Agent = Annotated[str | None, Parameter(help="One agent's run alone, where the topic has several.")]
Topic = Annotated[str | None, Parameter(help="Those of this topic alone.")]
Limit = Annotated[int, Parameter(help="At most this many tasks, up to 1000.", show_default=True)]
Cursor = Annotated[str | None, Parameter(help="Go on where the page before ended.")]
TaskId = Annotated[str, Parameter(help="The id that publishing printed.")]
Yes = Annotated[bool, Parameter(help="Do not ask.")]
TaskTopic = Annotated[str, Parameter(help="The topic that it was published on.")]

_DEFAULT_TIMEOUT_SECONDS = 30.0


_JSON = "--json"


def json_last(arguments: Sequence[str]) -> list[str]:
    """The command line with `--json`, which may stand anywhere on it, where the command itself looks for it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words, values = arguments[:end], arguments[end:]  # whatever those look like
    rest = [word for word in words if word != _JSON]
    return [*rest, *([_JSON] if _JSON in words else []), *values]


class WrongUse(InvalidInput):
    """Arguments that do not go together."""


def seconds(name: str, text: str) -> float:
    """The seconds that a text such as `10s` or `1.5h` means; `InvalidValue` under the name given."""
    from omnidaemon.bootstrap.durations import parse_duration

    return parse_duration(text, name).total_seconds()


def timeout_seconds(text: str | None, *, is_waiting: bool) -> float:
    """The time-out of a wait; `WrongUse` for one of a command that does not wait."""
    if text is None:
        return _DEFAULT_TIMEOUT_SECONDS
    if not is_waiting:
        raise WrongUse("--timeout goes with --wait")
    return seconds("--timeout", text)


def instant(name: str, text: str) -> datetime:
    """The time that an ISO 8601 text names; without a zone it is one of this machine's clock."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise InvalidValue(name, text, "a time such as 2030-01-31T12:00 or 2030-01-31T12:00:00Z") from error


def headers(pairs: Sequence[str]) -> dict[str, str]:
    """The headers that `name=value` texts give."""
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidValue("--header", pair, "name=value")
        given[name] = value
    return given
