"""Which URLs a webhook may have. Whether its address may be reached is judged when it is sent: names move."""

from __future__ import annotations

from urllib.parse import urlsplit

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.texts import Described

LONGEST_URL = 2000
_EXPECTED = f"an http or https URL with a host, without a user or password, of at most {LONGEST_URL} characters"

_SHOWN_CHARACTERS = 16


def shown_webhook(url: str) -> str:
    """As much of it as tells which one it is: scheme, host, and the beginning of the path. The rest is often the key to
    somebody's channel, and whoever may see what was sent may not send there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    if not parts.netloc:
        return "…"
    first, slash, rest = parts.path.removeprefix("/").partition("/")
    beginning = first if len(first) <= _SHOWN_CHARACTERS else f"{first[:_SHOWN_CHARACTERS]}…"
    deeper = f"{slash}{'…' if rest else ''}"
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{beginning}{deeper}{query}"


def checked_webhook(name: str, value: object) -> str:
    """The URL, when a webhook can be sent to it; `InvalidValue` under this name otherwise."""
    if not isinstance(value, str):
        raise InvalidValue(name, Described(f"a value of type {type(value).__name__}"), _EXPECTED)
    if len(value) > LONGEST_URL:
        raise InvalidValue(name, Described("a longer text"), _EXPECTED)
    if flaw := _flaw_in(value):
        raise InvalidValue(name, Described(flaw), _EXPECTED)
    return value


def _flaw_in(url: str) -> str | None:
    """What is wrong with it. It is not shown whole: people put secrets into URLs."""
    if not url.isprintable() or " " in url or any("\ud800" <= character <= "\udfff" for character in url):
        return "a text with spaces or control characters"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        return f"no URL: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:…" if parts.scheme else "a text without http:// or https://"
    if parts.username is not None or parts.password is not None:
        return f"{parts.scheme}://…@{host}"
    return f"{parts.scheme}://" if not host or port == 0 else None
