"""A notifier that sends nothing: it keeps what would have been sent, and answers as a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import attrs

from omnidaemon.domain.webhook_policy import Answer
from omnidaemon.ports.notifier import Notifier, NotifierContext, WebhookMessage


@attrs.frozen(kw_only=True)
class SentWebhook:
    """One request that would have been made. `body` is the decoded JSON: the result of one agent's run."""

    webhook_id: str
    url: str
    body: dict[str, Any]


class RecordingNotifier(Notifier):
    """Keeps messages in the order of their sending. `answer` decides what the receiver says to each."""

    def __init__(self, answer: Callable[[SentWebhook], Answer] = lambda _: Answer(status_code=204)) -> None:
        self.sent: list[SentWebhook] = []
        self.answer = answer

    def __call__(self, context: NotifierContext) -> Self:  # noqa: ARG002 - nothing is sent, so nothing is needed for it
        """Itself, as a factory of notifiers."""
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, message: WebhookMessage) -> Answer:
        """Keep it and answer."""
        sent = SentWebhook(webhook_id=message.message_id, url=message.url, body=json.loads(message.body))
        self.sent.append(sent)
        return self.answer(sent)
