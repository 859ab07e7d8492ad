"""Who hears of a task's end, as its publisher says it: by arguments or by keys of the payload."""

from __future__ import annotations

import pytest

from omnidaemon.app.drafts import Draft
from omnidaemon.domain.errors import InvalidInput, InvalidName
from omnidaemon.domain.task import Task
from tests.unit.app.workshop import TOPIC, Workshop

URL = "https://example.org/hook?id=1"


async def published(shop: Workshop, payload: object = None, **options) -> Task:
    (task_id,) = await shop.publisher.publish([Draft(topic=TOPIC, payload=payload, **options)])
    task = shop.space.tasks[task_id].task
    assert isinstance(task, Task)
    return task


async def test_arguments_say_who_hears_of_the_end(shop: Workshop):
    task = await published(shop, webhook=URL, reply_to="answers", hops=2)
    assert (task.webhook, task.reply_to, task.hops) == (URL, "answers", 2)


async def test_keys_of_the_payload_say_it_too_and_stay_there(shop: Workshop):
    task = await published(shop, {"webhook": URL, "reply_to": "answers", "a": 1})
    assert (task.webhook, task.reply_to) == (URL, "answers")
    assert shop.codec.decode_value(task.payload) == {"webhook": URL, "reply_to": "answers", "a": 1}


async def test_an_argument_wins_over_a_key(shop: Workshop):
    """Also over one that could not count."""
    payload = {"webhook": 5, "reply_to": "not a topic"}
    task = await published(shop, payload, webhook=URL, reply_to="answers")
    assert (task.webhook, task.reply_to) == (URL, "answers")


@pytest.mark.parametrize(
    "payload", [None, "webhook", ["webhook"], {}, {"webhook": None, "reply_to": None}, {"x": {"webhook": 1}}]
)
async def test_others_are_told_nobody(shop: Workshop, payload):
    """Payloads that are no object, or say null; keys further down are people's own."""
    task = await published(shop, payload)
    assert (task.webhook, task.reply_to) == (None, None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "https:///path",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:port/",
        "http://[::1/",
        "http://user@example.org/",
        "http://user:s3cret@example.org/",
        "http://:s3cret@example.org/",
        "http://example.org/a b",
        "http://example.org/\n",
        "http://example.org/\ud800",
        "http://example.org/" + "x" * 2000,  # in a payload that is too large for the workshop too
        5,
        True,
        ["http://example.org/"],
        {"url": "http://example.org/"},
    ],
)
@pytest.mark.parametrize("way", ["argument", "payload"])
async def test_what_is_no_url_is_refused(shop: Workshop, url, way):
    """Before anything is published, and without showing what may be a password."""
    options = {"webhook": url} if way == "argument" else {"payload": {"webhook": url}}
    with pytest.raises(InvalidInput) as caught:
        await published(shop, **options)
    assert "s3cret" not in str(caught.value)
    assert shop.space.tasks == {}


@pytest.mark.parametrize("topic", ["", "not a topic", "x" * 201, 5, ["answers"], {"topic": "answers"}])
@pytest.mark.parametrize("way", ["argument", "payload"])
async def test_what_is_no_topic_is_refused(shop: Workshop, topic, way):
    options = {"reply_to": topic} if way == "argument" else {"payload": {"reply_to": topic}}
    with pytest.raises(InvalidName, match="reply_to"):
        await published(shop, **options)
    assert shop.space.tasks == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8004/x",
        "HTTPS://EXAMPLE.ORG",
        "http://[::1]:80/",
        "http://ä.example/ü?q=%20#f",
        "http://10.0.0.1",
    ],
)
async def test_urls_that_people_have_are_taken(shop: Workshop, url):
    """Whether the address may be reached is judged when it is sent."""
    assert (await published(shop, webhook=url)).webhook == url


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ("example.org/hook", "webhook is a text without http:// or https://, expected an http or https URL"),
        ("ftp://example.org", "webhook is ftp:…, expected"),
        (7, "webhook is a value of type int, expected"),
        ("https://example.org/" + 2000 * "x", "webhook is a longer text, expected"),
    ],
)
async def test_what_is_said_of_a_webhook_is_not_quoted_as_if_it_were_typed(shop: Workshop, webhook, said):
    """It is not shown whole, since there may be a secret in it: what stands there instead is a description."""
    with pytest.raises(InvalidInput) as refused:
        await published(shop, webhook=webhook)
    assert str(refused.value).startswith(said)
