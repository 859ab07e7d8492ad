"""When a reply is published, again, or not at all: a pure function, as for webhooks."""

from __future__ import annotations

import attrs

from omnidaemon.domain.sizes import limit_text
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain, Verdict

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0

UNHEARD = "no agent listens on the topic, and this bus keeps nothing for one that comes later"
"""What the log of a reply says of an attempt that nobody heard."""


@attrs.frozen(kw_only=True)
class ReplyPolicy:
    """A reply is tried until the bus takes it, however long that is away: it is a task, and tasks are not lost.

    It is not tried for ever where nobody listens and nothing waits for those who will: after `unheard_max` attempts in
    a row, about a minute, it is as lost as every task on such a bus.

    `hops_max` is how many replies may follow from one another, so that two agents that answer each other come to an
    end. `payload_max_bytes` is the limit of every payload.
    """

    hops_max: int = 16
    payload_max_bytes: int = 2**20
    unheard_max: int = 8

    def refusal(self, hops: int, payload_bytes: int) -> GivenUp | None:
        """Why a reply of this many hops and bytes is never published; None when it may be."""
        if hops > self.hops_max:
            return GivenUp(
                f"the chain of replies is longer than {self.hops_max} (OMNIDAEMON_REPLY_HOPS_MAX): "
                "does it go in a circle?"
            )
        if payload_bytes > self.payload_max_bytes:
            return GivenUp(
                "the result makes a payload of "
                f"{limit_text(payload_bytes, self.payload_max_bytes, 'OMNIDAEMON_PAYLOAD_MAX_BYTES')}"
            )
        return None

    def decide(self, attempt: int, *, is_confirmed: bool, unheard: int = 0, chance: float = 0.5) -> Verdict:
        """What follows from the bus's answer to this attempt, from 1, the last of `unheard` ones in a row that nobody
        heard; `chance` in [0, 1) spreads the pauses."""
        if is_confirmed:
            return Delivered()
        if unheard >= self.unheard_max:
            return GivenUp(f"{UNHEARD}: tried {unheard} times")
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 16), _LONGEST_PAUSE_SECONDS)
        return TryAgain(pause * (0.8 + 0.4 * chance))
