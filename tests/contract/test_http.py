"""The notifier over HTTP under its suite."""

from __future__ import annotations

from omnidaemon.adapters.http.webhooks import http_notifier
from omnidaemon.ports.notifier import Notifier, NotifierContext
from omnidaemon.testing.contracts import NotifierContract


class TestHttpNotifier(NotifierContract):
    def make_notifier(self, context: NotifierContext) -> Notifier:
        return http_notifier(context)
