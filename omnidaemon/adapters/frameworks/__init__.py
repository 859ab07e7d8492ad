"""Agent frameworks: each a small adapter that an agent's handler may use. None is imported before it is made."""
