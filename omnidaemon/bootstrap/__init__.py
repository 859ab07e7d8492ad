"""Puts the parts together: settings, plugins, the container, runtimes and workers."""
