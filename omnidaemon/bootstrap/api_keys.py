"""The keys that the HTTP API accepts: what each may do, and no more of its text than a hash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from enum import StrEnum

import attrs

from omnidaemon.domain.names import is_name

SHORTEST_KEY = 32
"""In characters: what a key of 256 bits has in hexadecimal, halved; a shorter one could be guessed."""


class Scope(StrEnum):
    """What a key permits. None of them contains another."""

    READ = "read"
    PUBLISH = "publish"
    CONTROL = "control"
    ADMIN = "admin"


class KeyFlaw(ValueError):
    """What is wrong with the text of a key, in words that hold nothing of it."""


@attrs.frozen(kw_only=True, str=False)
class ApiKey:
    """A key under its name, which may be shown. Only the hash of its text is kept."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({'+'.join(scope for scope in Scope if scope in self.scopes)})"

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """A key written as `name:scopes:secret`, the scopes joined by `+`; or as its secret alone, which has all of
        them. `KeyFlaw` for anything else, without a word of the text."""
        name, colon, rest = text.strip().partition(":")
        scopes, second, secret = rest.partition(":")
        if not colon:
            secret = name
        elif not second or ":" in secret:
            raise KeyFlaw(f"it has {text.count(':') + 1} parts with colons between them, not one or three")
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise KeyFlaw("its secret has characters that are not printable ASCII")
        if len(secret) < SHORTEST_KEY:
            raise KeyFlaw(f"its secret has {len(secret)} of {SHORTEST_KEY} characters")
        digest = digest_of(secret)
        if not colon:
            return cls(name=f"key-{digest.hex()[:8]}", scopes=frozenset(Scope), digest=digest)
        if not is_name(name):
            raise KeyFlaw("its name, the first part, has other characters than A-Z a-z 0-9 . _ -")
        named = scopes.split("+")
        if not {*named} <= {*Scope}:
            raise KeyFlaw("its scopes, the second part, are not all among those")
        return cls(name=name, scopes=frozenset(map(Scope, named)), digest=digest)


def digest_of(secret: str) -> bytes:
    """What is kept of a key. Keys are long and random, so one round of a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def matching(keys: Iterable[ApiKey], secret: str) -> ApiKey | None:
    """The key that has this text, None when there is none; in a time that does not tell how close it was."""
    digest, found = digest_of(secret), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
