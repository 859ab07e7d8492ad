"""The import path of the HTTP API: serving it, or mounting it in an application of one's own."""

from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http.server import start_api_server

__all__ = ["create_app", "start_api_server"]
