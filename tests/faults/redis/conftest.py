"""Storages on a server of the test's own, as in the tests of every day."""

from __future__ import annotations

from tests.integration.redis.conftest import place_of, storage

__all__ = ["place_of", "storage"]
