"""The import path of everything that OmniDaemon raises."""

from omnidaemon.app.agents import NotAHandler
from omnidaemon.domain import errors
from omnidaemon.domain.errors import *  # noqa: F403 - one list says what there is
from omnidaemon.entrypoints.http.binding import AddressUnavailable, ApiFailed, UnguardedAddress

__all__ = ["AddressUnavailable", "ApiFailed", "NotAHandler", "UnguardedAddress"]
__all__ += errors.__all__
