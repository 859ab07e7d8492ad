"""Where settings come from: arguments, the environment, a `.env` file and `omnidaemon.toml`, each as one source."""

from __future__ import annotations

import difflib
import io
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from omnidaemon.bootstrap.server_addresses import is_slip, option_meant
from omnidaemon.domain.errors import InvalidSetting, UnknownSetting

SETTINGS_FILE = "omnidaemon.toml"
ENV_FILE = ".env"
OPTIONS = "options"

_OURS = "OMNIDAEMON_"
# Other programs have such variables too: EVENT_BUS_NAME is a common one. Here only a slip of the keys counts.
_SHARED = ("EVENT_BUS_", "RESULT_STORE_")
_SLIP = 0.85
"""How alike a name must be to one of ours to be a slip: one or two letters of it."""
# The project's own tests, and what Kubernetes sets in every container beside a Service that is called omnidaemon.
_NOT_SETTINGS = re.compile(
    r"OMNIDAEMON_(TEST_\w+|(\w+_)?SERVICE_(HOST|PORT)(_\w+)?|(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


@attrs.frozen(kw_only=True)
class Source:
    """Settings by their names in `Settings`, and options of adapters by their environment names.

    `folder` is what a relative path is relative to. `is_environment`: it holds every variable there is, whether or not
    it concerns us.
    """

    folder: Path
    settings: Mapping[str, object]
    options: Mapping[str, str]
    label: str
    is_environment: bool = False

    def origin(self, variable: str) -> str:
        """Where a value came from, for a person: the environment is large, so its variable is named too."""
        return f"{self.label} {variable}" if self.is_environment else self.label


@attrs.define(slots=False)
class UnreadableFile(InvalidSetting):
    """A file of settings cannot be read."""

    reason: str

    def __str__(self) -> str:
        return f"{self.value} is not {self.expected}: {self.reason}"


def nearest(name: str, directory: Path) -> Path | None:
    """The file of this name in the directory or the closest one above it."""
    return next((path for folder in (directory, *directory.parents) if (path := folder / name).is_file()), None)


def arguments_source(arguments: Mapping[str, object], directory: Path, variables: Mapping[str, str]) -> Source:
    """What a caller passes, by the names in `Settings`; None counts as not passed."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return _table_source(given, directory, "arguments", variables)


def environment_source(environ: Mapping[str, str], directory: Path, variables: Mapping[str, str]) -> Source:
    """The environment; an empty variable counts as not set.

    Raises `UnknownSetting` for a variable that looks like one of ours and is none: a typo must not go unnoticed.
    """
    return attrs.evolve(_variables_source(environ, directory, "environment", variables), is_environment=True)


def env_file_source(path: Path, variables: Mapping[str, str]) -> Source:
    """A `.env` file. It is read, never put into the environment."""
    label = f"{ENV_FILE} ({path})"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile("file", path, "text in UTF-8", label, str(error)) from error
    if line := _unreadable_line(text):
        reason = f"line {line} cannot be read; is it NAME=value, each quote closed?"
        raise UnreadableFile("file", path, "a file of variables", label, reason)
    return _variables_source(dotenv_values(stream=io.StringIO(text)), path.parent, label, variables)


def settings_file_source(path: Path, variables: Mapping[str, str]) -> Source:
    """An `omnidaemon.toml`: settings at the top or in `[omnidaemon]`, options of adapters in `[options]`."""
    label = f"{SETTINGS_FILE} ({path})"
    try:
        top = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFile("file", path, "TOML in UTF-8", label, str(error)) from error
    table = top.pop("omnidaemon", {})
    if not isinstance(table, dict):
        raise InvalidSetting("omnidaemon", table, "a table", label)
    if twice := top.keys() & table.keys():
        name = min(twice)
        raise InvalidSetting(name, table[name], "it once, at the top or in [omnidaemon]", label)
    return _table_source({**top, **table}, path.parent, label, variables)


def closest(name: str, known: Iterable[str]) -> str | None:
    """What was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def _unreadable_line(text: str) -> int:
    """The number of the first line that python-dotenv would leave out with a warning, 0 when there is none. Not the
    line itself, which may hold a password."""
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            told = binding.original  # with the empty lines before it
            return told.line + told.string[: len(told.string) - len(told.string.lstrip())].count("\n")
    return 0


def _variables_source(
    environ: Mapping[str, str | None], folder: Path, label: str, variables: Mapping[str, str]
) -> Source:
    given = {name: text for name, text in environ.items() if text and not _is_of_a_service(name, text)}
    settings = {variable: name for name, variable in variables.items()}
    for name in given:
        if name not in settings and _seems_ours(name, settings):
            meant = option_meant(name.removeprefix(_OURS)) or closest(name.upper(), settings)
            raise UnknownSetting(name, label, meant)
    return Source(
        folder=folder,
        settings={settings[name]: text for name, text in given.items() if name in settings},
        options={name: text for name, text in given.items() if name not in settings},
        label=label,
    )


def _table_source(table: Mapping[str, object], folder: Path, label: str, variables: Mapping[str, str]) -> Source:
    for name in table:
        if name not in variables and name != OPTIONS:
            option = option_meant(name)
            raise UnknownSetting(
                name,
                label,
                f"{option} in the table [{OPTIONS}]" if option else closest(name.lower(), [*variables, OPTIONS]),
            )
    options = table.get(OPTIONS, {})
    if not isinstance(options, Mapping):
        raise InvalidSetting(OPTIONS, options, "a table", label)
    return Source(
        folder=folder,
        settings={name: value for name, value in table.items() if name in variables},
        options=dict(_as_options(options, label)),
        label=label,
    )


def _as_options(options: Mapping[str, object], label: str) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if not isinstance(value, (str, int, float)):
            raise InvalidSetting(f"{OPTIONS}.{name}", value, "text, a number or true or false", label)
        yield name.upper(), str(value).lower() if isinstance(value, bool) else str(value)


def _seems_ours(name: str, settings: Iterable[str]) -> bool:
    if name.startswith(_OURS):
        return not _NOT_SETTINGS.fullmatch(name)
    shared = [each for each in settings if not each.startswith(_OURS)]
    if any(is_slip(name, each) for each in shared):
        return True
    return name.startswith(_SHARED) and bool(difflib.get_close_matches(name, shared, n=1, cutoff=_SLIP))


def _is_of_a_service(name: str, text: str) -> bool:
    """Whether Kubernetes has set it for a Service, be it by the name of a setting."""
    return bool(name.endswith("_PORT") and _SERVICE_ADDRESS.match(text))
