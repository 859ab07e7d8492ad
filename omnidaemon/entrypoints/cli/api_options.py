"""`--api-url` and `--api-key`: options of every command that asks something, wherever they stand on the line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType

from omnidaemon.entrypoints.cli.options import WrongUse

_OPTIONS = MappingProxyType({"--api-url": "api_url", "--api-key": "api_key"})
_NOTHING: Mapping[str, str] = MappingProxyType({})
_GIVEN: ContextVar[Mapping[str, str]] = ContextVar("api options", default=_NOTHING)

LOCAL_COMMANDS = ("init", "run", "dev", "bench", "namespace", "version", "--version", "--install-completion")
"""Those that are about this machine, whatever API is named elsewhere."""


def given() -> Mapping[str, str]:
    """What the command line says of the API, by the names of settings."""
    return _GIVEN.get()


@contextlib.contextmanager
def taken_from(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The command line without these options, which hold meanwhile. `WrongUse` for one without its value, or with a
    command that has nothing to do with an API."""
    rest, found = _parted(arguments)
    if found and rest and rest[0] in LOCAL_COMMANDS:
        raise WrongUse(f"`omni {rest[0]}` works on this machine, not through an API")
    token = _GIVEN.set(found)
    try:
        yield rest
    finally:
        _GIVEN.reset(token)


def _parted(arguments: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    rest: list[str] = []
    found: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if word == "--":  # what follows are values, whatever they look like
            return [*rest, word, *words], found
        option, equals, value = word.partition("=")
        name = _OPTIONS.get(option)
        if name is None:
            rest.append(word)
            continue
        text = value if equals else next(words, "")
        if not text:
            raise WrongUse(f"{option} needs a value")
        found[name] = text
    return rest, found
