"""Settings that cannot work, together or on this machine."""

from __future__ import annotations

import attrs

from omnidaemon.domain.errors.root import OmniDaemonError


class ConfigurationError(OmniDaemonError):
    """The settings cannot work together or on this machine."""


@attrs.define(slots=False)
class InvalidSetting(ConfigurationError):
    """A setting has a value that cannot be used. `origin` is "" where whoever found that cannot know it."""

    name: str
    value: object
    expected: str
    origin: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name} is not set: expected {self.expected}"
        origin = f" (from {self.origin})" if self.origin else ""
        return f"{self.name}={self.value!r}{origin}: expected {self.expected}"


@attrs.define(slots=False)
class UnknownSetting(ConfigurationError):
    """A settings file names something that does not exist."""

    name: str
    origin: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"unknown setting {self.name!r} in {self.origin}{hint}"


@attrs.define(slots=False)
class UnknownBackend(ConfigurationError):
    """No installed adapter has this name. `origin` is where the name came from, as far as that is known."""

    kind: str
    name: str
    known: tuple[str, ...]
    origin: str | None = None
    suggestion: str | None = None
    is_planned: bool = False

    def __str__(self) -> str:
        named = f"{self.kind} {self.name!r}{f' (from {self.origin})' if self.origin else ''}"
        installed = f"installed: {', '.join(self.known)}"
        if self.is_planned:
            return f"the {named} is planned, not there yet; {installed}"
        return f"unknown {named}; {installed}{f'; did you mean {self.suggestion}?' if self.suggestion else ''}"


@attrs.define(slots=False)
class MissingExtra(ConfigurationError):
    """An adapter is chosen whose library is not installed."""

    kind: str
    name: str
    module: str
    install: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} needs the package {self.module!r}: {self.install}"


@attrs.define(slots=False)
class MismatchedPair(ConfigurationError):
    """A bus and a store whose guarantees do not fit together were chosen without saying that it is meant."""

    bus: str
    store: str
    reason: str

    def __str__(self) -> str:
        return f"bus {self.bus!r} with store {self.store!r}: {self.reason}; set OMNIDAEMON_ALLOW_MISMATCH=true if meant"


@attrs.define(slots=False)
class AgentFileError(ConfigurationError):
    """A file of agents cannot be used."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
