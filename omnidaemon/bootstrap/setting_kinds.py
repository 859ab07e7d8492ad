"""The kinds of values that settings have: each reads what a file, the environment or a caller gives."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from omnidaemon.bootstrap.api_keys import SHORTEST_KEY, ApiKey, KeyFlaw, Scope
from omnidaemon.bootstrap.durations import EXPECTED, parse_duration
from omnidaemon.bootstrap.host_names import host_name
from omnidaemon.domain.errors import InvalidSetting
from omnidaemon.domain.names import checked_name
from omnidaemon.domain.secret import Secret

T = TypeVar("T")

_LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
_LAST_PORT = 65535
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@attrs.frozen(kw_only=True)
class Kind(Generic[T]):
    """`parse` turns what was given, text or a value, into the value or raises; `expected` tells a person what it takes.
    What `is_secret` is shown to nobody, nor is a mistake in it, unless it is a `KeyFlaw`."""

    parse: Callable[[Any], T]
    expected: str
    is_secret: bool = False

    def read(self, variable: str, given: object, origin: str) -> T:
        """The value, or `InvalidSetting` that names the variable and the origin."""
        try:
            return self.parse(given)
        except (TypeError, ValueError) as error:
            if self.is_secret:
                flaw = f"; {error}" if isinstance(error, KeyFlaw) else ""
                raise InvalidSetting(variable, Secret.SHOWN, self.expected + flaw, origin) from None
            raise InvalidSetting(variable, given, self.expected, origin) from error


def _backend(value: object) -> str:
    # The name of an adapter; whether it is installed turns out when it is loaded.
    if not isinstance(value, str):
        raise TypeError(value)
    return checked_name("name", value.strip().lower())


def _whole_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or int(value) <= 0:
        raise ValueError(value)
    return int(value)


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _path(value: object) -> Path:
    if not isinstance(value, (str, Path)):
        raise TypeError(value)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # there is no such user
        raise ValueError(value) from error


def _lifetime(value: object) -> timedelta:
    duration = parse_duration(value)
    if not duration:
        raise ValueError(value)
    return duration


def _lifetime_or_none(value: object) -> timedelta | None:
    return None if str(value).strip().lower() == "none" else _lifetime(value)


def _log_level(value: object) -> str:
    level = str(value).strip().upper()
    if level not in _LOG_LEVELS:
        raise ValueError(value)
    return level


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not 0 <= int(value) <= _LAST_PORT:
        raise ValueError(value)
    return int(value)


def _host(value: object) -> str:
    # Empty and `*` mean every address, as in other programs; whether that is allowed is for whoever binds it.
    if not isinstance(value, str) or any(character.isspace() or character == "/" for character in value.strip()):
        raise ValueError(value)
    return value.strip()


def _items(value: object) -> list[Any]:
    """The items of a list, or of a text that separates them by commas or spaces."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if not isinstance(value, Iterable):
        raise TypeError(value)
    return list(value)


def _hosts(value: object) -> tuple[str, ...]:
    names = [host_name(item) for item in _items(value)]
    if None in names:
        raise ValueError(value)
    return tuple(name for name in names if name is not None)


def _api_keys(value: object) -> tuple[ApiKey, ...]:
    keys: list[ApiKey] = []
    for number, item in enumerate(_items(value), 1):
        try:
            keys.append(item if isinstance(item, ApiKey) else ApiKey.parse(item))
        except KeyFlaw as flaw:
            raise KeyFlaw(f"key {number} is none, {flaw}") from None
    return tuple(keys)


def _url(value: object) -> str | None:
    if value is None:
        return None
    parts = urlsplit(str(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(value)
    return str(value).rstrip("/")


def _secret(value: object) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    text = str(value).strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("not a text that a header can carry")
    return Secret(text)


def _secrets(value: object) -> tuple[Secret, ...]:
    texts = [item.reveal() if isinstance(item, Secret) else str(item) for item in _items(value)]
    if not all(len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) in _SECRET_BYTES for text in texts):
        raise ValueError("too short or too long")
    return tuple(map(Secret, texts))


def _networks(value: object) -> tuple[str, ...]:
    texts = tuple(map(str, _items(value)))
    for text in texts:
        if not _HOST.fullmatch(text):
            ip_network(text, strict=False)
    return texts


_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SECRET_BYTES = range(24, 65)

BACKEND = Kind(parse=_backend, expected="the name of an adapter, such as sqlite")
NAMESPACE = Kind(
    parse=lambda value: checked_name("namespace", value), expected="1 to 200 of the characters A-Z a-z 0-9 . _ -"
)
DIRECTORY = Kind(parse=_path, expected="the path of a directory")
SIZE = Kind(parse=_whole_number, expected="a number of bytes above 0")
FLAG = Kind(parse=_flag, expected="true or false")
LIFETIME = Kind(parse=_lifetime, expected=f"{EXPECTED}, above 0")
LIFETIME_OR_NONE = Kind(parse=_lifetime_or_none, expected=f"{EXPECTED}, above 0, or none")
SECONDS = Kind(parse=lambda value: parse_duration(value).total_seconds(), expected=EXPECTED)
LOG_LEVEL = Kind(parse=_log_level, expected=f"one of {', '.join(_LOG_LEVELS)}")
PORT = Kind(parse=_port, expected=f"a port from 0 to {_LAST_PORT}, 0 for any that is free")
HOST = Kind(parse=_host, expected="an address or a host name")
HOSTS = Kind(parse=_hosts, expected="host names or addresses, without ports or patterns, separated by commas")
URL = Kind(parse=_url, expected="a URL such as http://127.0.0.1:8765")
SECRET = Kind(parse=_secret, expected="a text of ASCII characters", is_secret=True)
API_KEYS = Kind(
    parse=_api_keys,
    expected=f"keys of at least {SHORTEST_KEY} characters, separated by commas, each plain or as name:scopes:secret "
    f"with scopes such as {Scope.READ}+{Scope.PUBLISH} out of {', '.join(Scope)}",
    is_secret=True,
)
COUNT = Kind(parse=_whole_number, expected="a whole number above 0")
NETWORKS = Kind(
    parse=_networks, expected="names of hosts, addresses or networks such as 10.1.0.0/16, with commas between them"
)
SECRETS = Kind(
    parse=_secrets, expected="whsec_ and 24 to 64 bytes in base64; several separated by commas", is_secret=True
)
