"""OmniDaemon: the runtime where AI agents live."""
