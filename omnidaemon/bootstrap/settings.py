"""What can be set, and the settings of one process: each value with where it came from."""
# ruff: noqa: RUF009 - what `_setting` makes are attrs fields

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from omnidaemon.bootstrap import setting_kinds as kinds
from omnidaemon.bootstrap.api_keys import ApiKey
from omnidaemon.bootstrap.data_dir import default_data_dir
from omnidaemon.bootstrap.durations import setting_of
from omnidaemon.bootstrap.plugins import checked_backend, store_of_bus
from omnidaemon.bootstrap.server_addresses import ServerAddress, addresses_of, is_slip
from omnidaemon.bootstrap.setting_kinds import Kind
from omnidaemon.bootstrap.settings_sources import (
    ENV_FILE,
    SETTINGS_FILE,
    Source,
    arguments_source,
    env_file_source,
    environment_source,
    nearest,
    settings_file_source,
)
from omnidaemon.domain.durations import plain_number
from omnidaemon.domain.errors import InvalidSetting, UnknownBackend, UnknownSetting
from omnidaemon.domain.secret import Secret

DEFAULT_NAMESPACE = "omni"

_DEFAULT = "default"
_MADE_HERE = "Settings()"
NOTHING_GIVEN: Mapping[str, Any] = MappingProxyType({})
# Up to the last @, since people forget to escape what is in a password.
_USER_INFO = re.compile(r"(?<=://)\S*@")
_SECRET_PARAMETER = re.compile(r"([?&][^=&#]*(?:password|secret|token|key)[^=&#]*=)[^&#]*", re.IGNORECASE)
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


@attrs.frozen(kw_only=True)
class Shown:
    """A setting as a person may see it: secrets are left out. `name` is that of the environment variable."""

    name: str
    value: str
    origin: str


def _setting(variable: str, kind: Kind[Any], **default: Any) -> Any:
    def read(given: object) -> object:
        return kind.read(variable, given, _MADE_HERE)

    return attrs.field(**default, converter=read, metadata={"variable": variable, "kind": kind})


def _store_of_the_bus(settings: Settings) -> str:
    bus = checked_backend("bus", settings.event_bus_type)
    if (store := store_of_bus(bus)) is None:
        expected = f"the name of a store, since the bus {bus!r} has none of its own"
        raise InvalidSetting("RESULT_STORE_TYPE", None, expected, _DEFAULT)
    return store


_STORE_OF_THE_BUS = attrs.Factory(_store_of_the_bus, takes_self=True)
_USERS_DATA_DIR = attrs.Factory(lambda: default_data_dir(None, os.environ))


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that can be set, checked. `load_settings` reads it from files and the environment.

    The store is by default that of the bus's own technology; `InvalidSetting` when it has none, `UnknownBackend` for a
    bus that is not installed. `data_dir` is by default the user's data directory, or the project's by `load_settings`.
    Results and ended runs are kept for `result_ttl`, dead letters for `dead_letter_ttl` (None: until somebody removes
    them). `drain_seconds` is how long a worker that stops lets its handlers finish. `allow_mismatch` permits a bus and
    a store whose guarantees do not fit together. `api_host`, `api_port` and `api_keys` are what the HTTP API is served
    on and lets in, `api_hosts` further names that it may be called by; `api_url` and `api_key` are what clients of it
    use. `notifier` sends webhooks, signed with each `webhook_secret`, and to a private address only if `webhook_allow`
    names it, or to this machine if nobody else can publish; `reply_hops_max` ends circles of replies. `origins` says of
    each setting where its value came from.
    """

    event_bus_type: str = _setting("EVENT_BUS_TYPE", kinds.BACKEND, default="sqlite")
    result_store_type: str = _setting("RESULT_STORE_TYPE", kinds.BACKEND, default=_STORE_OF_THE_BUS)
    data_dir: Path = _setting("OMNIDAEMON_DATA_DIR", kinds.DIRECTORY, default=_USERS_DATA_DIR)
    namespace: str = _setting("OMNIDAEMON_NAMESPACE", kinds.NAMESPACE, default=DEFAULT_NAMESPACE)
    result_ttl: timedelta = _setting("OMNIDAEMON_RESULT_TTL", kinds.LIFETIME, default=timedelta(days=1))
    dead_letter_ttl: timedelta | None = _setting("OMNIDAEMON_DEAD_LETTER_TTL", kinds.LIFETIME_OR_NONE, default=None)
    payload_max_bytes: int = _setting("OMNIDAEMON_PAYLOAD_MAX_BYTES", kinds.SIZE, default=2**20)
    result_max_bytes: int = _setting("OMNIDAEMON_RESULT_MAX_BYTES", kinds.SIZE, default=16 * 2**20)
    log_level: str = _setting("OMNIDAEMON_LOG_LEVEL", kinds.LOG_LEVEL, default="INFO")
    drain_seconds: float = _setting("OMNIDAEMON_DRAIN_SECONDS", kinds.SECONDS, default=30.0)
    allow_mismatch: bool = _setting("OMNIDAEMON_ALLOW_MISMATCH", kinds.FLAG, default=False)
    api_enabled: bool = _setting("OMNIDAEMON_API_ENABLED", kinds.FLAG, default=False)
    api_host: str = _setting("OMNIDAEMON_API_HOST", kinds.HOST, default="127.0.0.1")
    api_port: int = _setting("OMNIDAEMON_API_PORT", kinds.PORT, default=8765)
    api_hosts: tuple[str, ...] = _setting("OMNIDAEMON_API_HOSTS", kinds.HOSTS, default=())
    api_keys: tuple[ApiKey, ...] = _setting("OMNIDAEMON_API_KEYS", kinds.API_KEYS, default=())
    api_url: str | None = _setting("OMNIDAEMON_API_URL", kinds.URL, default=None)
    api_key: Secret | None = _setting("OMNIDAEMON_API_KEY", kinds.SECRET, default=None)
    notifier: str = _setting("OMNIDAEMON_NOTIFIER", kinds.BACKEND, default="http")
    webhook_secret: tuple[Secret, ...] = _setting("OMNIDAEMON_WEBHOOK_SECRET", kinds.SECRETS, default=())
    webhook_allow: tuple[str, ...] = _setting("OMNIDAEMON_WEBHOOK_ALLOW", kinds.NETWORKS, default=())
    reply_hops_max: int = _setting("OMNIDAEMON_REPLY_HOPS_MAX", kinds.COUNT, default=16)
    origins: Mapping[str, str] = attrs.field(default=NOTHING_GIVEN, eq=False, repr=False)
    # Strongest first. Holds the whole environment, so it is neither printed nor compared.
    _sources: Sequence[Source] = attrs.field(default=(), alias="sources", eq=False, repr=False)

    def option(self, name: str) -> str | None:
        """An adapter's own setting by its environment name: from the environment, a `.env` file, or `[options]` of
        `omnidaemon.toml`, where it may be written in lower case."""
        found = self._option_source(name)
        return None if found is None else found.options[name]

    def _shown_value(self, name: str) -> str:
        if name in _UNSET and self.origins.get(name) == _DEFAULT:
            return _UNSET[name]
        return _text(getattr(self, name))

    def shown(self, options: Iterable[str] = ()) -> tuple[Shown, ...]:
        """All settings; then the options that files hold or that are named here, where set, and the addresses of the
        servers that are used. Secrets are left out."""
        rows = [
            Shown(name=variable, value=self._shown_value(name), origin=self.origins.get(name, _MADE_HERE))
            for name, variable in _VARIABLES.items()
        ]
        listed = {name for source in self._sources if not source.is_environment for name in source.options}
        defaults = {address.variable: address.default for address in self._addresses()}
        for name in sorted({*listed, *defaults, *options}):
            if (source := self._option_source(name)) is not None:
                value = without_secrets(name, source.options[name])
                rows.append(Shown(name=name, value=value, origin=source.origin(name)))
            elif name in defaults:
                rows.append(Shown(name=name, value=defaults[name], origin=_DEFAULT))
        return tuple(rows)

    def check_addresses(self) -> None:
        """`InvalidSetting` for the address of a server that is used and can be none. `UnknownSetting` where it is not
        given, and a variable is there whose name is all but its own: the default would be used, and nobody told."""
        for address in self._addresses():
            variable = address.variable
            if (source := self._option_source(variable)) is not None:
                if not address.can_be(source.options[variable]):
                    shown = _address_text(source.options[variable])
                    raise InvalidSetting(variable, shown, f"a URL such as {address.default}", source.origin(variable))
                continue
            for each in self._sources:
                if slips := [name for name in each.options if is_slip(name, variable)]:
                    raise UnknownSetting(slips[0], each.label, variable)

    def _addresses(self) -> Sequence[ServerAddress]:
        return addresses_of(self.event_bus_type, self.result_store_type)

    def _option_source(self, name: str) -> Source | None:
        return next((source for source in self._sources if name in source.options), None)


_DECLARED = {field.name: field.metadata for field in attrs.fields(Settings) if field.metadata}
_VARIABLES: Mapping[str, str] = {name: metadata["variable"] for name, metadata in _DECLARED.items()}
_UNSET = {"api_enabled": "unset: yes for `omni run` and `omni dev`, no for `sdk.run()`"}
"""Of settings whose default is not the same everywhere: what is said of them while they are not set."""
_KINDS: Mapping[str, Kind[Any]] = {name: metadata["kind"] for name, metadata in _DECLARED.items()}


def load_settings(
    arguments: Mapping[str, object] = NOTHING_GIVEN,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of this process: defaults < `omnidaemon.toml` < `.env` < environment < arguments.

    Both files are the nearest ones, from `directory` (the current one) upwards. Arguments go by the names in
    `Settings`; those that are None count as not given. Raises `UnknownSetting` and `InvalidSetting`, naming the origin.
    """
    directory = (directory or Path.cwd()).absolute()
    sources = _sources(arguments, directory, environ)
    found, found_origins = _found(_VARIABLES, sources)
    values = {"data_dir": default_data_dir(nearest(SETTINGS_FILE, directory), environ), **found}
    origins = dict.fromkeys(_VARIABLES, _DEFAULT) | found_origins
    try:
        settings = Settings(**values, origins=MappingProxyType(origins), sources=tuple(sources))
    except UnknownBackend as error:
        raise attrs.evolve(error, origin=origins["event_bus_type"]) from None
    settings.check_addresses()
    return settings


def load_chosen(
    names: Iterable[str],
    arguments: Mapping[str, object] = NOTHING_GIVEN,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Those of these settings alone that are given, and their origins; the others may be as wrong as they like."""
    return _found(names, _sources(arguments, (directory or Path.cwd()).absolute(), environ))


def _sources(arguments: Mapping[str, object], directory: Path, environ: Mapping[str, str]) -> Sequence[Source]:
    """Strongest first."""
    settings_file, env_file = nearest(SETTINGS_FILE, directory), nearest(ENV_FILE, directory)
    sources = [
        arguments_source(arguments, directory, _VARIABLES),
        environment_source(environ, directory, _VARIABLES),
    ]
    if env_file is not None:
        sources.append(env_file_source(env_file, _VARIABLES))
    if settings_file is not None:
        sources.append(settings_file_source(settings_file, _VARIABLES))
    return sources


def _found(names: Iterable[str], sources: Sequence[Source]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name in names:
        if (source := next((source for source in sources if name in source.settings), None)) is not None:
            origin = origins[name] = source.origin(_VARIABLES[name])
            value = _KINDS[name].read(_VARIABLES[name], source.settings[name], origin)
            values[name] = source.folder / value if isinstance(value, Path) else value
    return values, origins


def without_secrets(name: str, value: str) -> str:
    """The value with what looks like a secret left out: user and password in a URL, and all of a secret."""
    if _SECRET_NAME.search(name.upper()):
        return "***"
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub("", value))


def _address_text(value: str) -> str:
    """An address that is none, as far as it may be seen: what stands before an @ may be a password."""
    return (
        without_secrets("", value) if "://" in value else f"***{value[value.rfind('@') :]}" if "@" in value else value
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return setting_of(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str):
        return without_secrets("", value)
    return "none" if value is None else plain_number(value) if isinstance(value, float) else str(value)
