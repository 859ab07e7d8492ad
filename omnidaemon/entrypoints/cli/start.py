"""The command's first step, which loads nothing itself: Ctrl-C is answered quietly while all the rest is loaded."""

from __future__ import annotations

import os
import signal
import sys

_INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, whose module is not loaded yet."""


def main() -> None:
    """Run the command line of this process, and exit."""
    # Not KeyboardInterrupt: raised within an import it may be swallowed or wrapped. Nothing is open yet that one would
    # have to close. Where SIGINT is ignored, as in a shell's background, it stays so.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from omnidaemon.entrypoints.cli.app import load, run

    load(sys.argv[1:])
    try:
        signal.signal(signal.SIGINT, before)
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)
