"""The folder bus under the suite that every bus passes."""

from folder_bus import folder_bus

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.testing.contracts import EventBusContract


class TestFolderBus(EventBusContract):
    """Ten lines: how the bus is made, that it needs a codec, and that only the end of an inbox ends what it holds."""

    codec = JsonCodec()
    redelivered_within_seconds = None

    def make_bus(self, context: BackendContext) -> EventBus:
        """As the entry point makes it."""
        return folder_bus(context)
