"""What an exception becomes that a person reads later: texts that any store can keep, of a bounded length."""

from __future__ import annotations

import traceback
from pathlib import Path

from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.texts import brief

_NAME_CHARACTERS = 200
_MESSAGE_CHARACTERS = 10_000
_HEADLINE_CHARACTERS = 2000
_TRACEBACK_CHARACTERS = 50_000
_TRACEBACK_FRAMES = 50
_REPR_CHARACTERS = 2000
_CUT = "\n…\n"
_OWN_FILES = frozenset(str(Path(__file__).with_name(name)) for name in ("executor.py", "threads.py"))


def attempt_error(error: BaseException, kind: ErrorKind, name: str | None = None) -> AttemptError:
    """The error of an attempt that raised this."""
    return AttemptError(
        type=_storable(name or type(error).__name__)[:_NAME_CHARACTERS],
        message=message_of(_printed(error)),
        kind=kind,
        traceback=traceback_of(error),
    )


def message_of(text: str) -> str:
    """A message as it is stored: its beginning, if it is very long."""
    stored = _storable(text[: _MESSAGE_CHARACTERS + 1])
    return stored if len(stored) <= _MESSAGE_CHARACTERS else stored[: _MESSAGE_CHARACTERS - 1] + "…"


def headline_of(message: str) -> str:
    """What a log shows of a message: its first line, since what follows may hold what was returned. An ellipsis stands
    for what is left out."""
    first, _, rest = message.partition("\n")
    return brief(f"{first} …" if rest.strip() else first, _HEADLINE_CHARACTERS)


def traceback_of(error: BaseException) -> str:
    """The traceback from the agent's own code on: how it came to be called is of no interest to its author. Of a very
    long one both ends, since causes come first and what was raised last."""
    try:
        whole = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-_TRACEBACK_FRAMES, compact=True
        )
        _strip(whole)
        text = "".join(whole.format())
    except Exception:  # noqa: BLE001 - notes, for one, may be anything
        text = f"{type(error).__name__}: its traceback cannot be printed"
    return _both_ends(_storable(_both_ends(text)))


def short_repr(value: object) -> str:
    """The beginning of its repr, whatever that does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - people's own value may raise anything
        text = f"<{type(value).__name__} that cannot be printed>"
    return text if len(text) <= _REPR_CHARACTERS else text[:_REPR_CHARACTERS] + "…"


def _strip(whole: traceback.TracebackException) -> None:
    """Take the frames of those who called the agent away: from the error, its causes, and the members of groups."""
    left = [whole]
    while left:
        part = left.pop()
        while part.stack and part.stack[0].filename in _OWN_FILES:
            del part.stack[0]
        left += [other for other in (part.__cause__, part.__context__, *(part.exceptions or ())) if other is not None]


def _printed(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises still has to be told of
        return f"<{type(error).__name__} that cannot be printed>"


def _storable(text: str) -> str:
    """Without what UTF-8 or a database's text column cannot hold: lone surrogates and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _both_ends(text: str) -> str:
    if len(text) <= _TRACEBACK_CHARACTERS:
        return text
    half = (_TRACEBACK_CHARACTERS - len(_CUT)) // 2
    return text[:half] + _CUT + text[-half:]
