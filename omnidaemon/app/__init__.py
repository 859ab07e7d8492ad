"""What OmniDaemon does: publish, take in, execute, finish, schedule, control. One small loop per concern."""
