"""The HTTP API: thin routes over the client, whose answers have the shapes that the command line prints."""
