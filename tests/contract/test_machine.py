"""The JSON codec, the machine's clock and its ids, under their suites."""

from __future__ import annotations

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.system import SystemClock, Uuid7Ids
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.testing.contracts import ClockContract, CodecContract, IdSourceContract


class TestJsonCodec(CodecContract):
    def make_codec(self) -> Codec:
        return JsonCodec()


class TestSystemClock(ClockContract):
    def make_clock(self) -> Clock:
        return SystemClock()


class TestUuid7Ids(IdSourceContract):
    def make_ids(self) -> IdSource:
        return Uuid7Ids()
