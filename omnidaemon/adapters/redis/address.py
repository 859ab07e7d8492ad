"""What is wrong with a server's address where redis-py would not say so."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio.connection import URL_QUERY_ARGUMENT_PARSERS

from omnidaemon.adapters.redis.faults import location_of
from omnidaemon.domain.errors import InvalidSetting

VARIABLE: Final = "REDIS_URL"
_NUMBERS: Final = (int, float)


def check_database(url: str) -> None:
    """`InvalidSetting` for a path that numbers no database: redis-py would take database 0, and tell nobody."""
    parts = urlsplit(url)
    database = unquote(parts.path).strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise _flaw(url, f"the number of a database behind the host, not {database!r}")


def wrong_option(url: str, error: Exception) -> InvalidSetting | None:
    """The error for an option behind the question mark that redis-py has stumbled over with this one; None when it
    names none. No value is shown, which may be a password."""
    try:
        names = parse_qs(urlsplit(url).query)
    except ValueError:
        return None
    # Whole messages, since a name may be part of anything.
    for name in names:
        if f"Invalid value for '{name}' in" in str(error):
            kind = "a number" if URL_QUERY_ARGUMENT_PARSERS.get(name) in _NUMBERS else "another value"
            return _flaw(url, f"{kind} as its option {name!r}")
        if f"unexpected keyword argument '{name}'" in str(error):
            return _flaw(url, f"options that redis-py knows for such an address, not {name!r}")
    return None


def _flaw(url: str, expected: str) -> InvalidSetting:
    return InvalidSetting(VARIABLE, location_of(url), expected, "")
