"""The command line, over the client. What it decides is how things look, and what an exit code says."""
