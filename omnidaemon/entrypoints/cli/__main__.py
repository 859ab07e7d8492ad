"""Lets `python -m omnidaemon.entrypoints.cli` be `omni`."""

from omnidaemon.entrypoints.cli.app import main

if __name__ == "__main__":
    main()
