"""How people reach OmniDaemon: the SDK, the command line, the test harness. Thin: what is decided, others decide."""
