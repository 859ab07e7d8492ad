"""What goes wrong with a server, in the words of the ports: what may pass, and what a person has to mend."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from redis import exceptions

from omnidaemon.domain.errors import BackendError, BackendUnavailable, BackendUnusable, InvalidValue

BACKEND = "redis"

MOST_ROUNDS: Final = 30
"""How often a call is made anew that others have overtaken, before it is given up."""

_MENDED_BY_A_PERSON = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
    exceptions.InvalidResponse,
    exceptions.DataError,
)
_MAY_PASS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    OSError,
    TimeoutError,
)
# What the server says of itself, by the first word of its message, where redis-py has no class for it.
_MAY_PASS_WORDS = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "LOADING", "BUSY", "UNKILLABLE", "OOM", "READONLY")

_CERTIFICATE_HINT = "is its certificate made for this name, and known here (ssl_ca_certs in REDIS_URL)?"
_HINTS = (
    (exceptions.AuthenticationError, "check the user and the password in REDIS_URL"),
    (exceptions.NoPermissionError, "docs/how-to/redis.md lists what the user must be allowed"),
    (exceptions.OutOfMemoryError, "raise maxmemory, or let results expire sooner"),
    (
        exceptions.MovedError,
        "this node of a cluster does not hold the namespace; REDIS_URL must lead to the one that does",
    ),
    (exceptions.ReadOnlyError, "this server is a replica now; REDIS_URL must lead to the primary"),
    (exceptions.ConnectionError, "is the server running, and REDIS_URL right?"),
)


def location_of(url: str) -> str:
    """The address that may be shown: without user, password and query, which may hold one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{port}{parts.path}" if parts.scheme else "an address without a scheme"


def translated(error: Exception, location: str) -> BackendError:
    """The error of the ports for one of redis-py, of the server or of the operating system."""
    reason = _reason(error)
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in _with_causes(error)):
        return BackendUnusable(BACKEND, location, reason, _CERTIFICATE_HINT)
    if isinstance(error, _MENDED_BY_A_PERSON):
        return BackendUnusable(BACKEND, location, reason, hint)
    if isinstance(error, _MAY_PASS) or str(error).startswith(_MAY_PASS_WORDS):
        return BackendUnavailable(BACKEND, location, reason, hint)
    return BackendUnusable(BACKEND, location, reason, hint)


class Translating:
    """Around any use of redis-py: its errors leave as those of the ports. One serves for all uses of a server."""

    def __init__(self, location: str) -> None:
        self._location = location

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, (exceptions.RedisError, OSError, TimeoutError)):
            raise translated(error, self._location) from error
        if isinstance(error, UnicodeEncodeError):
            raise InvalidValue("a name or a text", error.object, "one that UTF-8 can carry") from error


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it came from: redis-py makes one kind of whatever a connection meets."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def not_open(location: str) -> BackendUnavailable:
    """The error for a call before entering or after leaving."""
    return BackendUnavailable(BACKEND, location, "it is not open", "use `async with`")


def _reason(error: Exception) -> str:
    """One line. An address in it is one that redis-py has made of host and port alone."""
    if isinstance(error, exceptions.ConnectionError) and (told := _told_by_the_system(error)):
        return f"it cannot be reached ({told})"
    text = " ".join(str(error).split()).rstrip(".")
    return text or f"no answer in time ({type(error).__name__})"


def _told_by_the_system(error: Exception) -> str:
    """What the operating system said, in its own words; redis-py and asyncio put theirs around it."""
    for each in _with_causes(error):
        if isinstance(each, socket.gaierror):
            return str(each.strerror).lower()
        if isinstance(each, ConnectionRefusedError) and each.errno:
            return os.strerror(each.errno).lower()
    return ""
