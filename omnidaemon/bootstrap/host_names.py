"""The names that a request may call this server by, in one form."""

from __future__ import annotations

import re
from ipaddress import ip_address

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def host_name(text: str) -> str | None:
    """The name or address in the form in which it is compared: lower case, no dot at the end, no brackets, the short
    form of IPv6. None for what no request can name: a pattern, one with a port, an empty one."""
    if _NAME.fullmatch(text):
        return text.lower().removesuffix(".")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ip_address(bare).compressed if ":" in bare else None
    except ValueError:
        return None
