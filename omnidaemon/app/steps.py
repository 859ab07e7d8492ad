"""How much of a long order one call does. Whoever wants the rest asks again, from where it ended."""

from __future__ import annotations

from typing import Final

USUAL_TASKS: Final = 500
"""Of so many tasks, unless another number is given."""

MOST_TASKS: Final = 1000
"""Of so many at most, whatever is given."""

LONGEST_SECONDS: Final = 10.0
"""A call that takes longer than this begins with no further tasks."""
