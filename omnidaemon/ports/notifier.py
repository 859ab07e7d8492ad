"""The notifier: sends one webhook, and says what the receiver answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.domain.secret import Secret
from omnidaemon.domain.webhook_policy import Answer

LONGEST_SEND_SECONDS = 15.0
"""How long one attempt may take."""


@attrs.frozen(kw_only=True)
class WebhookMessage:
    """One request. `message_id` is the same at each attempt, `at` is when this one is made; `body` is JSON text."""

    message_id: str
    url: str
    body: bytes
    at: datetime


class Notifier(ABC):
    """An async context manager of one event loop; usable between enter and exit, for many sends at once."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    async def send(self, message: WebhookMessage) -> Answer:
        """Make one attempt, of at most `LONGEST_SEND_SECONDS`, and say what came of it.

        Never raises for what a URL, a network or a receiver can do: that is an `Answer`. One that no further attempt
        can help, such as an address that may not be reached, is final. Cancelled, it may have been sent or not.
        """


@attrs.frozen(kw_only=True)
class NotifierContext:
    """Everything that a factory may use to make its notifier. Making one does no I/O; entering it does.

    `secrets` sign what is sent, each of them, so that receivers can change from one to the next. `allowed` are names of
    hosts and networks that may be reached though they are private; `is_loopback_allowed` says so of this machine.
    `option(name)` is the text of a setting by its environment name, or None.
    """

    secrets: Sequence[Secret] = ()
    allowed: Sequence[str] = ()
    is_loopback_allowed: bool = False
    option: Callable[[str], str | None] = lambda _: None


NotifierFactory = Callable[[NotifierContext], Notifier]
"""The object behind an entry point of the group `omnidaemon.notifiers`. Called once per worker."""
