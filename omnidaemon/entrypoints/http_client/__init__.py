"""The HTTP API from the other side: the calls of a client, carried out by a server."""
