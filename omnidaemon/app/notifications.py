"""What has to be told of ended runs: webhooks are sent and replies published, beside the work and never in its way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import attrs

from omnidaemon.app.lanes import Persistence
from omnidaemon.app.outages import Outages
from omnidaemon.app.pairing import logging_bus
from omnidaemon.app.result_shape import task_result
from omnidaemon.domain.errors import InvalidInput, OmniDaemonError
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, SendAttempt, Settlement
from omnidaemon.domain.reply_policy import UNHEARD, ReplyPolicy
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.task import Task
from omnidaemon.domain.verdict import GivenUp, Verdict
from omnidaemon.domain.webhook_policy import Answer, WebhookPolicy
from omnidaemon.ports.bus import Confirmation, EventBus, Receipt
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.notifier import Notifier, WebhookMessage
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Level, Telemetry

_AT_ONCE = 32  # of either kind: each may hold a result of many megabytes
_HOLD_SECONDS = 20.0
_SHORTEST_PAUSE_SECONDS = 0.05
_BACKSTOP_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class NotifyingTerms:
    """By what and how ended runs are told."""

    notifier: Notifier
    codec: Codec
    webhooks: WebhookPolicy
    replies: ReplyPolicy


class Notifications:
    """Takes what is due from the outbox, tells it, and settles it. Webhooks are sent many at once, so that a slow
    receiver holds nobody up but those who are to be told after it; replies go out in batches, one after the other, and
    a slow bus holds up nothing but them.

    `is_idle` is set while no webhook is under way, `has_taken_last` once nothing more will be.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        storage: Storage,
        terms: NotifyingTerms,
        clock: Clock,
        telemetry: Telemetry,
        outages: Outages,
        hint: asyncio.Event,
    ) -> None:
        self._bus = bus
        self._logging = logging_bus(bus, storage.capabilities)
        self._storage = storage
        self._outbox = storage.outbox
        self._terms = terms
        self._clock = clock
        self._telemetry = telemetry
        self._hint = hint
        self._store = Persistence(clock, outages)
        self._sending = 0
        self._is_replying = False
        self._unsettled: list[Settlement] = []
        self._stopping = asyncio.Event()
        self.has_taken_last = asyncio.Event()
        self.is_idle = asyncio.Event()
        self.is_idle.set()

    def stop(self) -> None:
        """Have run() return once it has told what was due by now."""
        self._stopping.set()
        self._hint.set()

    async def run(self) -> None:
        """Tell until stopped or cancelled. What was taken and not settled comes again once its hold is over."""
        try:
            async with asyncio.TaskGroup() as sending:
                await self._tell_all(sending)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures  # there is one: what is sent raises nothing
        finally:
            self._sending, self._is_replying = 0, False
            self.is_idle.set()

    async def _tell_all(self, sending: asyncio.TaskGroup) -> None:
        while True:
            self._hint.clear()
            is_last = self._stopping.is_set()
            pause = await self._store.call(lambda: self._round(sending))
            if is_last:
                break
            await self._clock.wait(self._stopping, _SHORTEST_PAUSE_SECONDS)
            if pause > _SHORTEST_PAUSE_SECONDS:
                await self._clock.wait(self._hint, pause - _SHORTEST_PAUSE_SECONDS)
        self.has_taken_last.set()
        while self._is_telling or self._unsettled:
            self._hint.clear()
            await self._store.call(self._settle)
            if self._is_telling and not self._unsettled:
                await self._hint.wait()

    @property
    def _is_telling(self) -> bool:
        return self._sending > 0 or self._is_replying

    async def _round(self, sending: asyncio.TaskGroup) -> float:
        """Settle what was told meanwhile and tell what is due now; how long nothing more will be."""
        await self._settle()
        limits = {
            NotificationKind.REPLY: 0 if self._is_replying else _AT_ONCE,
            NotificationKind.WEBHOOK: _AT_ONCE - self._sending,
        }
        taken = await self._outbox.take(limits, _HOLD_SECONDS)
        replies = [entry for entry in taken.entries if entry.notification.kind is NotificationKind.REPLY]
        for entry in taken.entries:
            if entry.notification.kind is NotificationKind.WEBHOOK:
                self._sending += 1
                self.is_idle.clear()
                sending.create_task(self._send(entry))
        if replies:
            self._is_replying = True
            sending.create_task(self._reply(replies))
        backstop = _BACKSTOP_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter between workers
        return backstop if taken.next_due_seconds is None else min(backstop, taken.next_due_seconds)

    async def _settle(self) -> None:
        # Removed when the store has them: the call may fail, and others may be added meanwhile.
        settlements = list(self._unsettled)
        if settlements:
            await self._outbox.settle(settlements)
            del self._unsettled[: len(settlements)]

    def _note(self, entry: OutboxEntry, verdict: Verdict, attempt: SendAttempt) -> None:
        self._unsettled.append(
            Settlement(notification_id=entry.notification_id, fence=entry.fence, verdict=verdict, attempt=attempt)
        )
        told = entry.notification
        if isinstance(verdict, GivenUp):
            message = f"the {told.kind} of task {told.task_id} is given up: {verdict.reason}"
            self._telemetry.say(Level.WARNING, message, notification_id=entry.notification_id)

    def _broken(self, entry: OutboxEntry, error: Exception) -> str:
        """What the log of an entry says of a notifier or a codec that broke its promise; told to people too."""
        told, kind = entry.notification, f"{type(error).__name__}: {error}"
        message = f"the {told.kind} of task {told.task_id} cannot be made or sent: {kind}"
        self._telemetry.say(Level.ERROR, message, notification_id=entry.notification_id)
        return kind

    # --- webhooks -----------------------------------------------------------------------------------------------------

    async def _send(self, entry: OutboxEntry) -> None:
        try:
            answer = await self._answer(entry)
            verdict = self._terms.webhooks.decide(entry.attempts + 1, answer, random.random())  # noqa: S311 - jitter
            attempt = SendAttempt(status_code=answer.status_code, error=answer.error, seconds=answer.seconds)
            self._note(entry, verdict, attempt)
        finally:
            self._sending -= 1
            if not self._sending:
                self.is_idle.set()
            self._hint.set()

    async def _answer(self, entry: OutboxEntry) -> Answer:
        began = self._clock.now()
        try:
            message = WebhookMessage(
                message_id=entry.notification_id,
                url=entry.notification.target,
                body=self._body(entry),
                at=began.at,
            )
            return await self._terms.notifier.send(message)
        except Exception as error:  # noqa: BLE001 - a bug that one entry brings out is not to stop all the others
            return Answer(error=self._broken(entry, error), seconds=self._clock.now().steady - began.steady)

    def _body(self, entry: OutboxEntry) -> bytes:
        """The run's result as JSON text: what `omni task result --agent` shows."""
        run = entry.notification.run
        created_at = run.queued_at if run.return_address is None else run.return_address.created_at
        result = TaskResult.of_run(run, created_at, self._terms.codec.decode_value)
        return self._terms.codec.dump(task_result(result))

    # --- replies ------------------------------------------------------------------------------------------------------

    async def _reply(self, entries: Sequence[OutboxEntry]) -> None:
        try:
            await self._reply_to(entries)
        finally:
            self._is_replying = False
            self._hint.set()

    async def _reply_to(self, entries: Sequence[OutboxEntry]) -> None:
        began = self._clock.now().steady
        tasks: dict[str, Task] = {}
        for entry in entries:
            task = self._task_of(entry)
            if isinstance(task, Task):
                tasks[entry.notification_id] = task
            else:
                self._note(entry, task, SendAttempt(error=task.reason))
        failures = await self._publish(list(tasks.values()))
        seconds = self._clock.now().steady - began
        for entry in entries:
            if entry.notification_id in tasks:
                error = failures.get(entry.notification_id)
                verdict = self._terms.replies.decide(
                    entry.attempts + 1,
                    is_confirmed=error is None,
                    unheard=entry.failed_in_a_row(UNHEARD) + 1 if error == UNHEARD else 0,
                    chance=random.random(),  # noqa: S311 - jitter
                )
                self._note(entry, verdict, SendAttempt(error=error, seconds=seconds))

    def _task_of(self, entry: OutboxEntry) -> Task | GivenUp:
        """The reply, under the id that follows from what it tells: published twice, it is begun once."""
        told, codec = entry.notification, self._terms.codec
        address = told.run.return_address
        hops = 1 if address is None else address.hops + 1
        try:
            payload = codec.encode_payload(codec.decode_value(self._body(entry)))
        except InvalidInput as error:  # such as a result that is nested as deeply as a payload may be
            return GivenUp(str(error))
        except Exception as error:  # noqa: BLE001 - as for webhooks; the same bytes would bring it out again
            return GivenUp(self._broken(entry, error))
        return self._terms.replies.refusal(hops, len(payload)) or Task(
            task_id=told.notification_id,
            topic=told.target,
            payload=payload,
            created_at=told.created_at,
            correlation_id=(address.correlation_id if address else None) or told.task_id,
            causation_id=told.task_id,
            hops=hops,
        )

    async def _publish(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Why which of them are not on the bus, by id. They are tried again, also when a person has to mend it
        first."""
        if not tasks:
            return {}
        try:
            logging = self._logging
            receipts = await (self._bus.publish(tasks) if logging is None else logging.publish_logged(tasks))
            failures = {
                receipt.task_id: _why_not(receipt)
                for receipt in receipts
                if receipt.confirmation is not Confirmation.CONFIRMED
            }
            # Logged so that a reply which waits for its topic's first agent is listed as every task is; what nobody has
            # heard waits nowhere. Where this fails both are done again, which does no harm.
            taken = [task for task in tasks if task.task_id not in failures]
            if taken and logging is None:
                await self._storage.log.add(taken)
        except Exception as error:  # noqa: BLE001 - a bus that is broken is not to stop the webhooks
            if not (isinstance(error, OmniDaemonError) and error.is_transient):
                self._telemetry.say(Level.ERROR, f"replies cannot be published: {type(error).__name__}: {error}")
            return {task.task_id: str(error) for task in tasks}
        return failures


def _why_not(receipt: Receipt) -> str:
    if receipt.confirmation is Confirmation.FAILED and receipt.receivers == 0:
        return UNHEARD
    return receipt.reason or "the bus did not confirm it"
