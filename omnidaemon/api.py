"""The import path of the HTTP API: serving it, or mounting it in an application of one's own; and what it raises."""

from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http.binding import AddressUnavailable, ApiFailed, UnguardedAddress
from omnidaemon.entrypoints.http.server import start_api_server

__all__ = ["AddressUnavailable", "ApiFailed", "UnguardedAddress", "create_app", "start_api_server"]
