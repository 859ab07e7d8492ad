"""What is wrong with a server's address where redis-py would not say so."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from omnidaemon.adapters.redis.faults import location_of
from omnidaemon.domain.errors import InvalidSetting

VARIABLE = "REDIS_URL"


def check_database(url: str) -> None:
    """`InvalidSetting` for a path that numbers no database: redis-py would take database 0, and tell nobody."""
    parts = urlsplit(url)
    database = unquote(parts.path).strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise _flaw(url, f"the number of a database behind the host, not {database!r}")


def _flaw(url: str, expected: str) -> InvalidSetting:
    return InvalidSetting(VARIABLE, location_of(url), expected, "")
