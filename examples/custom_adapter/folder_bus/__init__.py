"""An event bus for OmniDaemon over plain files in a folder."""

from folder_bus.bus import FolderBus, folder_bus

__all__ = ["FolderBus", "folder_bus"]
