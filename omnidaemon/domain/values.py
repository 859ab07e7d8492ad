"""How the values are made of which every task needs a dozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    from typing import Any

    import attrs

    def value(cls: type | None = None, /, *, eq: bool = True, **options: Any) -> Any:
        """Immutable to the type checkers, which see every line of ours. Refusing assignments at run time too makes
        each `attrs.frozen` twice as dear to construct: that was a tenth of what a task cost."""
        made = attrs.define(eq=eq, unsafe_hash=eq or None, **options)
        return made if cls is None else made(cls)


__all__ = ["value"]
