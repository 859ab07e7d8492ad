"""Bad input: the caller must change something."""

from __future__ import annotations

import attrs

from omnidaemon.domain.errors.root import OmniDaemonError
from omnidaemon.domain.sizes import limit_text


class InvalidInput(OmniDaemonError, ValueError):
    """The call cannot be carried out as it was written."""


@attrs.define(slots=False)
class InvalidName(InvalidInput):
    """A topic, an agent or another name has characters that no backend can carry."""

    kind: str
    value: object

    def __str__(self) -> str:
        return f"{self.value!r} is not a valid {self.kind}: use 1 to 200 of the characters A-Z a-z 0-9 . _ -"


@attrs.define(slots=False)
class InvalidValue(InvalidInput):
    """An argument is of the wrong kind or out of its range."""

    name: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value!r}, expected {self.expected}"


@attrs.define(slots=False)
class PayloadNotJson(InvalidInput):
    """A payload holds something that JSON cannot carry."""

    reason: str

    def __str__(self) -> str:
        return f"the payload is not JSON: {self.reason}"


@attrs.define(slots=False)
class PayloadTooLarge(InvalidInput):
    """A payload is above the configured limit; nothing was published."""

    size_bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return (
            f"the payload has {limit_text(self.size_bytes, self.limit_bytes, 'OMNIDAEMON_PAYLOAD_MAX_BYTES')}; "
            "publish a reference to the data instead"
        )


@attrs.define(slots=False)
class DuplicateAgent(InvalidInput):
    """The same (topic, name) was registered twice in one SDK."""

    topic: str
    agent: str

    def __str__(self) -> str:
        return f"agent {self.agent!r} is registered twice on topic {self.topic!r}: give one of them another name="
