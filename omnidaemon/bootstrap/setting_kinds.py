"""The kinds of values that settings have: each reads what a file, the environment or a caller gives."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import attrs

from omnidaemon.bootstrap.durations import EXPECTED, parse_duration
from omnidaemon.domain.errors import InvalidSetting
from omnidaemon.domain.names import checked_name
from omnidaemon.domain.secret import Secret

_LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@attrs.frozen(kw_only=True)
class Kind:
    """`parse` turns what was given, text or a value, into the value or raises; `expected` tells a person what it takes.
    What is given for a secret is in no message."""

    parse: Callable[[Any], object]
    expected: str
    is_secret: bool = False

    def read(self, variable: str, given: object, origin: str) -> object:
        """The value, or `InvalidSetting` that names the variable and the origin."""
        try:
            return self.parse(given)
        except (TypeError, ValueError) as error:
            if self.is_secret:
                raise InvalidSetting(variable, Secret(""), self.expected, origin) from None
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


def _secrets(value: object) -> tuple[Secret, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(item, Secret) for item in value):
        return tuple(value)
    texts = _texts(value)
    if not all(len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) in _SECRET_BYTES for text in texts):
        raise ValueError("too short or too long")
    return tuple(map(Secret, texts))


def _hosts(value: object) -> tuple[str, ...]:
    texts = _texts(value)
    for text in texts:
        if not _HOST.fullmatch(text):
            ip_network(text, strict=False)
    return texts


def _texts(value: object) -> tuple[str, ...]:
    """Several texts, in a list or with commas or spaces between them."""
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise TypeError(value)
    return tuple(items)


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
COUNT = Kind(parse=_whole_number, expected="a whole number above 0")
HOSTS = Kind(
    parse=_hosts, expected="names of hosts, addresses or networks such as 10.1.0.0/16, with commas between them"
)
SECRETS = Kind(
    parse=_secrets, expected="whsec_ and 24 to 64 bytes in base64; several with a space between them", is_secret=True
)
