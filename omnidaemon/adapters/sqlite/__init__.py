"""SQLite: one file for the bus and the store, without any server."""
