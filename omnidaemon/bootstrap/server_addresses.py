"""Where the servers of our own adapters are: their options, which people set like any setting, told and guarded too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from omnidaemon.bootstrap.plugins import BackendKind, is_own


@attrs.frozen
class ServerAddress:
    """The variable that names a technology's server by a URL, where that is unless somebody says otherwise, and the
    schemes that such a URL may have."""

    variable: str
    default: str
    schemes: frozenset[str]

    def can_be(self, url: str) -> bool:
        """Whether it is written as such a URL; whoever connects finds out whether a server is there."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # a port that is none
            return False
        return parts.scheme in self.schemes and port != 0


# Not asked of the adapters, since that would load their libraries; a test compares the two.
_OF_TECHNOLOGY: Final[Mapping[str, ServerAddress]] = {
    "redis": ServerAddress("REDIS_URL", "redis://127.0.0.1:6379/0", frozenset({"redis", "rediss", "unix"})),
}


def addresses_of(bus: str, store: str) -> list[ServerAddress]:
    """Those that a bus and a store of these names use; the name of one begins with its technology, as `redis_stream`.
    An adapter of another distribution that is called like ours reads its settings by rules of its own."""
    technologies: dict[str, None] = {}
    backends: tuple[tuple[BackendKind, str], ...] = (("bus", bus), ("store", store))
    for kind, name in backends:
        technology = name.partition("_")[0]
        # whose it is, is asked last: that reads about every distribution that is installed
        if technology in _OF_TECHNOLOGY and is_own(kind, name):
            technologies[technology] = None
    return [_OF_TECHNOLOGY[technology] for technology in technologies]


def is_slip(name: str, meant: str) -> bool:
    """Whether a name is another one by a single slip of the keys: a letter too many, too few or wrong, two swapped, or
    small ones. Likeness in general would take in what other programs use, such as `CELERY_REDIS_URL`."""
    typed = name.upper()
    at = next((at for at, (one, other) in enumerate(zip(typed, meant, strict=False)) if one != other), -1)
    if at < 0:
        return name != meant and abs(len(typed) - len(meant)) <= 1
    rest, right = typed[at:], meant[at:]
    is_swapped = rest[1::-1] == right[:2] and rest[2:] == right[2:]
    return is_swapped or right[1:] in {rest, rest[1:]} or rest[1:] == right


def option_meant(name: str) -> str | None:
    """The variable of our own adapters, used or not, that a name is, in small letters perhaps or by a slip."""
    variables = (address.variable for address in _OF_TECHNOLOGY.values())
    return next((variable for variable in variables if name == variable or is_slip(name, variable)), None)
