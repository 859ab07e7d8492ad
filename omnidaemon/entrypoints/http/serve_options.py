"""Whether a process serves the HTTP API, and on what: settings, and what a person says on the command line."""

from __future__ import annotations

import attrs
from loguru import logger

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.entrypoints.http.binding import AddressUnavailable, Listener, listen

_DEFAULT = "default"


@attrs.frozen(kw_only=True)
class ServeOptions:
    """What was said beside the settings. `is_served`: None leaves it to them; `is_default` is what they leave open."""

    is_default: bool = False
    is_served: bool | None = None
    host: str | None = None
    port: int | None = None

    def opened(self, settings: Settings) -> Listener | None:
        """A listener, None when the API is not to be served.

        An address that is taken is an error (`AddressUnavailable`) where somebody has asked for it; where nobody has, a
        warning, and the agents run without. `UnguardedAddress` in any case.
        """
        if not self._is_served(settings):
            return None
        host, port = settings.api_host if self.host is None else self.host, _or(self.port, settings.api_port)
        try:
            return listen(host, port, has_keys=bool(settings.api_keys))
        except AddressUnavailable as error:
            if asked_by := self._asked_by(settings):
                raise attrs.evolve(error, asked_by=asked_by) from error.__cause__
            logger.warning(f"going on without: {error}")
            return None

    def arguments(self) -> list[str]:
        """The same, as arguments of `omni run`."""
        told = [] if self.is_served is None else ["--api" if self.is_served else "--no-api"]
        told += [] if self.host is None else ["--api-host", self.host]
        return told + ([] if self.port is None else ["--api-port", str(self.port)])

    def _is_served(self, settings: Settings) -> bool:
        if self.is_served is not None:
            return self.is_served
        if self.host is not None or self.port is not None:
            return True
        return settings.api_enabled if _is_set(settings, "api_enabled") else self.is_default

    def _asked_by(self, settings: Settings) -> str:
        """What says that it is to be served, or where; "" when nobody does."""
        said = {"--api-port": self.port is not None, "--api-host": self.host is not None, "--api": bool(self.is_served)}
        for option, is_said in said.items():
            if is_said:
                return f"{option} was given"
        for name in ("api_port", "api_host", "api_enabled"):
            if _is_set(settings, name):
                origin = f" (from {settings.origins[name]})" if name in settings.origins else ""
                return f"{getattr(attrs.fields(Settings), name).metadata['variable']} is set{origin}"
        return ""


def _is_set(settings: Settings, name: str) -> bool:
    default = getattr(attrs.fields(Settings), name).default
    return settings.origins.get(name, _DEFAULT) != _DEFAULT or getattr(settings, name) != default


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
