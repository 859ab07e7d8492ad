"""How often and after which pauses a webhook is sent: a pure function from an attempt and its answer to a verdict."""

from __future__ import annotations

import attrs

from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain, Verdict

_GONE = 410
_MINUTE, _HOUR = 60.0, 3600.0
_SUGGESTED = (5.0, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
"""The schedule of the Standard Webhooks specification, "Deliverability and reliability"."""


@attrs.frozen(kw_only=True)
class Answer:
    """What one attempt to send came to: a status, or the error that kept it from having one.

    `retry_after_seconds` is what the receiver asked for. `is_final`: no further attempt can help until a person has
    changed something.
    """

    status_code: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None
    seconds: float = 0.0
    is_final: bool = False


@attrs.frozen(kw_only=True)
class WebhookPolicy:
    """Ten attempts within about three days. `pauses` are the seconds before the second attempt and each one after it;
    `jitter` spreads them, `longest_wait` bounds what a receiver may ask for by Retry-After."""

    pauses: tuple[float, ...] = _SUGGESTED
    jitter: float = 0.1
    longest_wait: float = 24 * _HOUR

    @property
    def max_attempts(self) -> int:
        """How often it is sent at most."""
        return len(self.pauses) + 1

    def decide(self, attempt: int, answer: Answer, chance: float = 0.5) -> Verdict:
        """What follows from the answer to this attempt, from 1; `chance` in [0, 1) is for the jitter.

        Only 2xx is success: a redirect is not followed, so that it cannot lead where the first address may not. Other
        answers are tried again, also 4xx, since receivers send them while they are being set up; but not 410, by which
        a receiver says that it wants no more.
        """
        status = answer.status_code
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
            return Delivered()
        if status == _GONE:
            return GivenUp("the receiver answered 410: it wants no more")
        if answer.is_final:
            return GivenUp(answer.error or "it cannot be sent")
        if attempt >= self.max_attempts:
            many = "1 attempt" if self.max_attempts == 1 else f"{self.max_attempts} attempts"
            return GivenUp(f"not delivered in {many}")
        pause = self.pauses[attempt - 1] * (1.0 + self.jitter * (2.0 * chance - 1.0))
        return TryAgain(max(pause, min(answer.retry_after_seconds or 0.0, self.longest_wait)))
