"""The audit of who was told: each way to be silent or to say something else is found; to be told twice is no fault."""

from __future__ import annotations

import asyncio
import json

import attrs
import pytest

from omnidaemon.testing.chaos.audit import Ending, value_of
from omnidaemon.testing.chaos.records import HandlerLog, Heard, heard
from omnidaemon.testing.chaos.telling import Receiver, audit_told

DONE = {"t1": Ending(status="succeeded", is_end=True, result=value_of("a", 7))}
WEBHOOK = Heard(kind="webhook", notification_id="webhook-1", task_id="t1", result=value_of("a", 7))
REPLY = Heard(kind="reply", notification_id="reply-1", task_id="t1", result=value_of("a", 7))


def test_told_once_each_is_clean():
    telling = audit_told(DONE, [WEBHOOK, REPLY])
    assert telling.is_clean
    assert (telling.webhooks, telling.replies, telling.repeated) == (1, 1, 0)


def test_told_again_under_the_same_id_is_no_fault():
    telling = audit_told(DONE, [WEBHOOK, REPLY, WEBHOOK])
    assert telling.is_clean
    assert (telling.webhooks, telling.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("told", "untold"), [([REPLY], "webhook of t1"), ([WEBHOOK], "reply of t1"), ([REPLY, REPLY], "webhook of t1")]
)
def test_who_was_never_told_is_found(told, untold):
    telling = audit_told(DONE, told)
    assert telling.untold == (untold,)
    assert not telling.is_clean


def test_what_has_not_ended_need_not_be_told_and_must_not():
    running = {"t1": Ending(status="running", is_end=False)}
    assert audit_told(running, []).is_clean
    assert audit_told(running, [WEBHOOK]).unfounded == ("webhook of t1",)
    assert audit_told({}, [REPLY]).unfounded == ("reply of t1",)


def test_two_ids_for_one_end_are_found():
    telling = audit_told(DONE, [WEBHOOK, REPLY, attrs.evolve(WEBHOOK, notification_id="webhook-2")])
    assert telling.renamed == ("webhook of t1",)
    assert not telling.is_clean


def test_another_outcome_than_the_stores_is_found():
    telling = audit_told(DONE, [attrs.evolve(WEBHOOK, result=value_of("a", 8)), REPLY])
    assert telling.contradicted == ("webhook of t1",)
    assert not telling.is_clean


async def test_a_receiver_writes_down_what_it_hears_before_it_answers(tmp_path):
    log = HandlerLog(tmp_path / "log")
    body = json.dumps({"task_id": "t1", "agent": "audited", "result": value_of("a", 7)}).encode()
    async with Receiver(log) as receiver:
        port = int(receiver.url.rstrip("/").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST / HTTP/1.1\r\nHost: here\r\nwebhook-id: webhook-1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        assert heard(tmp_path / "log") == [WEBHOOK]
        writer.close()
        half, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(head.encode() + body[:5])
        other.close()
        assert await half.read() == b""
    assert heard(tmp_path / "log") == [WEBHOOK]
    log.close()
