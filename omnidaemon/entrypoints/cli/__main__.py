"""Lets `python -m omnidaemon.entrypoints.cli` be `omni`."""

from omnidaemon.entrypoints.cli.start import main

if __name__ == "__main__":
    main()
