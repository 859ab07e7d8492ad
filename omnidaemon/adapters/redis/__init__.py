"""Redis: a server for the bus and the store, shared by any number of machines."""
