"""How long a worker that is not heard any more is taken for alive."""

from __future__ import annotations

from typing import Final

ALIVE_SECONDS: Final = 10.0
"""How long a worker is taken for alive after its last heartbeat; it sends one at least each second and a half."""
