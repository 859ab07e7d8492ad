"""One request and what came of it: every way in which a receiver can answer, or not."""

from __future__ import annotations

import asyncio
import base64
import shutil
import socket
import ssl
import struct
import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from standardwebhooks.webhooks import Webhook

from omnidaemon.adapters.http.webhooks import HttpNotifier
from omnidaemon.domain.secret import Secret
from omnidaemon.ports.notifier import NotifierContext, WebhookMessage
from tests.unit.adapters.http.conftest import says

BODY = b'{"status":"succeeded"}'
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
HERE = NotifierContext(is_loopback_allowed=True)


def message(url, at=None):
    return WebhookMessage(message_id="webhook-1", url=url, body=BODY, at=at or datetime.now(UTC))


async def sent(url, context=HERE, at=None, **options):
    async with HttpNotifier(context, **options) as notifier:
        return await notifier.send(message(url, at))


async def test_a_webhook_is_a_signed_post(receiving):
    context = NotifierContext(secrets=(Secret(SECRET),), is_loopback_allowed=True)
    async with receiving(says("204 No Content")) as receiver:
        answer = await sent(receiver.url("/hook?a=1&b=%20"), context)
    assert (answer.status_code, answer.error, answer.is_final) == (204, None, False)
    ((first, headers, body),) = receiver.requests
    assert (first, body) == ("POST /hook?a=1&b=%20 HTTP/1.1", BODY)
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("omnidaemon/")
    assert headers["webhook-id"] == "webhook-1"
    assert Webhook(SECRET).verify(body, headers) == {"status": "succeeded"}


@pytest.mark.parametrize("status", ["200 OK", "410 Gone", "404 Not Found", "500 Internal Server Error", "503 Busy"])
async def test_a_status_is_the_answer(receiving, status):
    async with receiving(says(status, body=b"whatever")) as receiver:
        answer = await sent(receiver.url())
    assert (answer.status_code, answer.error, answer.retry_after_seconds) == (int(status[:3]), None, None)
    assert answer.seconds > 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(receiving, status):
    """It could lead where the first address may not."""
    async with receiving(says("200 OK")) as other, receiving(says(status, f"Location: {other.url()}")) as receiver:
        assert (await sent(receiver.url())).status_code == int(status[:3])
        assert other.requests == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 999999999.0),
        (format_datetime(datetime(2030, 1, 1, 0, 1, tzinfo=UTC), usegmt=True), 60.0),
        (format_datetime(datetime(2029, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        ("Tue, 01 Jan 2030 00:01:00 -0000", 60.0),
        ("-5", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999", None),
        ("", None),
    ],
)
async def test_retry_after_is_seconds_or_a_date(receiving, text, seconds):
    async with receiving(says("429 Too Many Requests", f"Retry-After: {text}")) as receiver:
        answer = await sent(receiver.url(), at=datetime(2030, 1, 1, tzinfo=UTC))
    assert (answer.status_code, answer.retry_after_seconds) == (429, seconds)


async def test_a_receiver_that_hangs_is_left(receiving):
    """After the deadline, whether it says nothing or one byte after the other."""

    async def hang(writer):
        await asyncio.Event().wait()

    async def drip(writer):
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
            writer.write(bytes([letter]))
            await asyncio.sleep(0.05)

    for speak in (hang, drip):
        async with receiving(speak) as receiver:
            answer = await sent(receiver.url(), deadline_seconds=0.3)
        assert (answer.status_code, answer.error) == (None, "no answer within 0.3 s")


async def test_a_receiver_that_breaks_off_has_given_no_answer(receiving):
    """By closing, in the middle of its head, by a reset, or by speaking something else."""

    async def close(writer):
        writer.close()

    async def half(writer):
        writer.write(b"HTTP/1.1 200 O")

    async def reset(writer):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def gibberish(writer):
        writer.write(b"220 mail.example.org ESMTP\r\n\r\n")

    for speak in (close, half, reset, gibberish):
        async with receiving(speak) as receiver:
            answer = await sent(receiver.url())
        assert answer.status_code is None
        assert answer.error
        assert not answer.is_final


async def test_a_status_counts_whatever_becomes_of_the_body(receiving):
    """One that ends too early, and one that never ends, of which little is read."""
    read = 0

    async def early(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")

    async def endless(writer):
        nonlocal read
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 1024)
            await writer.drain()
            read += 1024

    for speak in (early, endless):
        async with receiving(speak) as receiver:
            assert (await sent(receiver.url())).status_code == 200
    assert read < 32 * 2**20  # the rest is the machine's own buffers


async def test_a_head_that_never_ends_is_no_answer(receiving):
    async def speak(writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(10_000):
            writer.write(f"X-{number}: {'y' * 100}\r\n".encode())
            await writer.drain()

    async with receiving(speak) as receiver:
        answer = await sent(receiver.url())
    assert answer.status_code is None


async def test_nobody_there_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer = await sent(f"http://127.0.0.1:{port}/")
    assert answer.error is not None
    assert answer.error.startswith("ConnectError")


async def test_every_address_of_a_name_is_tried(receiving, monkeypatch):
    """`localhost` is often ::1 first, where nobody listens."""

    def getaddrinfo(host, port, *args, **kwargs):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    async with receiving(says("200 OK")) as receiver:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", getaddrinfo)
            answer = await sent(receiver.url(host="receiver.test"))
    assert answer.status_code == 200
    assert receiver.requests[0][1]["host"] == f"receiver.test:{receiver.port}"


async def test_a_name_is_looked_up_once(receiving, monkeypatch):
    """What was judged is what is connected to, whatever the name means a moment later."""
    meanings = ["127.0.0.1", "10.0.0.1"]

    def getaddrinfo(host, port, *args, **kwargs):
        address = meanings.pop(0) if host == "receiver.test" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async with receiving(says("200 OK")) as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert (await sent(receiver.url(host="receiver.test"))).status_code == 200
    assert meanings == ["10.0.0.1"]


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/", "http://10.0.0.1/"]
)
async def test_a_private_address_is_refused_for_good(url):
    answer = await sent(url)
    assert answer.is_final
    assert "OMNIDAEMON_WEBHOOK_ALLOW" in (answer.error or "")


async def test_loopback_is_refused_unless_it_may_be_reached(receiving):
    async with receiving(says("200 OK")) as receiver:
        answer = await sent(receiver.url(), NotifierContext())
        assert receiver.requests == []
    assert answer.is_final
    assert "loopback" in (answer.error or "")


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://user:pass@127.0.0.1/", "http:///x", "no url", "file:///etc/passwd"]
)
async def test_what_is_no_url_of_a_webhook_is_refused_for_good(url):
    """A task may come from another version, which did not look."""
    answer = await sent(url)
    assert answer.is_final
    assert "pass" not in (answer.error or "")


@pytest.mark.parametrize("url", ["http://xn--/", f"http://{'a' * 70}.example/", "http://no.such.name.invalid/"])
async def test_a_name_that_is_none_is_no_answer(url):
    answer = await sent(url, deadline_seconds=10)
    assert answer.status_code is None
    assert answer.error


async def test_proxies_of_the_environment_are_not_used(receiving, monkeypatch):
    """One of them would connect to what was never judged."""
    async with receiving(says("200 OK")) as proxy, receiving(says("200 OK")) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert (await sent(receiver.url())).status_code == 200
        assert proxy.requests == []


async def test_nothing_is_kept_between_two_requests(receiving):
    """No cookie, and no connection: each is as the first."""
    async with receiving(says("200 OK", "Set-Cookie: a=b; Path=/")) as receiver, HttpNotifier(HERE) as notifier:
        for _ in range(2):
            await notifier.send(message(receiver.url()))
    assert [("cookie" in headers) for _, headers, _ in receiver.requests] == [False, False]


async def test_many_are_sent_at_once(receiving):
    waiting: list[asyncio.StreamWriter] = []
    all_here = asyncio.Event()

    async def speak(writer):
        waiting.append(writer)
        if len(waiting) == 20:
            all_here.set()
        await all_here.wait()
        await says("200 OK")(writer)

    async with receiving(speak) as receiver, HttpNotifier(HERE) as notifier:
        answers = await asyncio.gather(*(notifier.send(message(receiver.url())) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One for `receiver.test`, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=receiver.test",
            "-addext",
            "subjectAltName=DNS:receiver.test",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def serving(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.fixture
def any_name_is_here(monkeypatch):
    def getaddrinfo(host, port, *args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_a_certificate_is_judged_by_the_name_not_by_the_address(
    receiving, certificate, serving, any_name_is_here
):
    names = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
    async with receiving(says("200 OK"), serving) as receiver:
        right = await sent(f"https://receiver.test:{receiver.port}/", tls=trusting)
        wrong = await sent(f"https://other.test:{receiver.port}/", tls=trusting)
    assert right.status_code == 200
    assert names == ["receiver.test", "other.test"]
    assert wrong.status_code is None
    assert "certificate" in (wrong.error or "").lower()


async def test_a_certificate_that_nobody_vouches_for_is_refused(receiving, serving, any_name_is_here):
    async with receiving(says("200 OK"), serving) as receiver:
        answer = await sent(f"https://receiver.test:{receiver.port}/")
    assert answer.status_code is None
    assert receiver.requests == []
