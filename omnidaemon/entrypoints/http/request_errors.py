"""What is wrong with a request itself, before anything is asked of bus or store: typed errors, as everywhere."""

from __future__ import annotations

from typing import ClassVar

import attrs

from omnidaemon.domain.errors import InvalidInput, OmniDaemonError, PayloadTooLarge
from omnidaemon.domain.sizes import size_text


@attrs.define(slots=False)
class Unauthorized(OmniDaemonError):
    """A key is needed, and none or none that is known was given."""

    is_given: bool

    @property
    def challenge(self) -> str:
        """What follows the word `Bearer` in `WWW-Authenticate` (RFC 6750)."""
        return ' error="invalid_token"' if self.is_given else ""

    def __str__(self) -> str:
        if self.is_given:
            return "this key is not one that this server knows"
        return "this server wants a key: send it as `Authorization: Bearer KEY`"


class Forbidden(OmniDaemonError):
    """Nobody gets this, or not in this way."""


@attrs.define(slots=False)
class InsufficientScope(Forbidden):
    """The key is known, and does not permit this."""

    scope: str
    key: str

    def __str__(self) -> str:
        return f"the key {self.key!r} lacks the scope {self.scope!r}"


@attrs.define(slots=False)
class HostNotAllowed(Forbidden):
    """The request names a host that this server is not known by: it may come from a page that rebinds a name."""

    host: str

    def __str__(self) -> str:
        return f"this server is not known as {self.host!r}; OMNIDAEMON_API_HOSTS holds further names"


@attrs.define(slots=False)
class ForeignOrigin(Forbidden):
    """A page of another origin wants to change something."""

    origin: str

    def __str__(self) -> str:
        return f"pages of {self.origin!r} may not change anything here"


class NotForWebhooks(Forbidden):
    """A webhook wants to change something: whoever writes a payload may have named this server in it."""

    def __str__(self) -> str:
        return "webhooks may not change anything here"


@attrs.define(slots=False)
class NotJsonContent(OmniDaemonError):
    """A body that does not say that it is JSON."""

    content_type: str

    def __str__(self) -> str:
        return f"the body is {self.content_type or 'of no type'}: send it as `Content-Type: application/json`"


class TooBusy(OmniDaemonError):
    """As many requests wait, for events or for a result, as this server lets wait at once."""

    is_transient: ClassVar[bool] = True

    def __str__(self) -> str:
        return "too many requests wait here already; come back later, for events with the id of the last one"


class BodyTooLarge(PayloadTooLarge):
    """A body is larger than any payload can be."""

    def __str__(self) -> str:
        return (
            f"the body has more than {size_text(self.limit_bytes)} "
            "(OMNIDAEMON_PAYLOAD_MAX_BYTES, and some for the rest)"
        )


@attrs.define(slots=False)
class BodyNotJson(InvalidInput):
    """A body cannot be read as JSON."""

    reason: str

    def __str__(self) -> str:
        return f"the body is not JSON: {self.reason}"


@attrs.define(slots=False)
class UnknownParameter(InvalidInput):
    """A query names something that the route does not have: a typo must not go unnoticed."""

    name: str
    known: str

    def __str__(self) -> str:
        return f"unknown query parameter {self.name!r}; known: {self.known or 'none'}"
