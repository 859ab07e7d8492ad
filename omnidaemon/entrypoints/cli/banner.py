"""The banner, for terminals."""

from __future__ import annotations

import os
from typing import Final, TextIO

_ART: Final = r"""
   ___                _ ___
  / _ \ _ __   _ _   (_)   \  __ _  ___  _ __   ___  _ _
 | (_) | '  \ | ' \  | | |) |/ _` |/ -_)| '  \ / _ \| ' \
  \___/|_|_|_||_||_| |_|___/ \__,_|\___||_|_|_|\___/|_||_|
"""
_LINE: Final = "  your agents, your rules, one runtime"


def print_banner(stream: TextIO) -> None:
    """Print the banner when the stream is a terminal."""
    if not stream.isatty():
        return
    # Written by hand: rich would cost more time than all the rest of `omni --help`.
    is_coloured = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    art, line = (f"\x1b[36m{_ART}\x1b[0m", f"\x1b[2m{_LINE}\x1b[0m") if is_coloured else (_ART, _LINE)
    stream.write(f"{art}{line}\n\n")
    stream.flush()
