"""Where the API listens, and where it refuses to."""

from __future__ import annotations

import contextlib
import socket

import pytest

from omnidaemon.api import start_api_server
from omnidaemon.bootstrap.settings import Settings
from omnidaemon.domain.errors import ConfigurationError
from omnidaemon.entrypoints.http.binding import AddressUnavailable, UnguardedAddress, listen
from omnidaemon.entrypoints.http.serve_options import ServeOptions
from tests.unit.entrypoints.http.conftest import KEYS, made_sdk


def leading_to(address):
    """Every name resolves to this address, the first time; then to one outside."""
    answers = iter([address, "192.168.1.99"])
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]


SIX_WAYS = ["0.0.0.0", "::", "192.168.1.20", "", "*", "::ffff:192.168.1.20"]  # noqa: S104 - to be refused


@pytest.mark.parametrize("host", [*SIX_WAYS, "169.254.1.1", "::ffff:0:0"])
def test_beyond_this_machine_without_keys(host):
    """Refused by what the address is, however it is written."""
    with pytest.raises(UnguardedAddress) as caught:
        listen(host, 0, has_keys=False)
    assert isinstance(caught.value, ConfigurationError)
    assert "OMNIDAEMON_API_KEYS" in str(caught.value)


def test_a_name_that_leads_outside():
    """Is judged by where it leads."""
    with pytest.raises(UnguardedAddress) as caught:
        listen("my-laptop", 0, has_keys=False, resolve=leading_to("192.168.1.20"))
    assert caught.value.address == "192.168.1.20"


@pytest.mark.parametrize("host", SIX_WAYS)
async def test_the_server_refuses_too(host):
    """Before anything listens."""
    with pytest.raises(UnguardedAddress):
        await start_api_server(made_sdk(), host=host, port=0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine(host):
    """Needs no keys; the address that was taken is told."""
    with contextlib.closing(listen(host, 0, has_keys=False)) as listener:
        assert listener.url.startswith(("http://127.0.0.1:", "http://[::1]:"))
        assert not listener.url.endswith(":0")


def test_an_answer_is_not_held_back():
    """The system would keep a small packet until the one before it is acknowledged, for 40 ms of each request."""
    with (
        contextlib.closing(listen("127.0.0.1", 0, has_keys=False)) as listener,
        socket.create_connection(listener.socket.getsockname()),
    ):
        accepted, _ = listener.socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_address_that_was_checked_is_bound():
    """A name is looked up once: the second answer might be another."""
    with contextlib.closing(listen("my-laptop", 0, has_keys=False, resolve=leading_to("127.0.0.1"))) as listener:
        assert listener.socket.getsockname()[0] == "127.0.0.1"


def test_an_address_that_is_taken():
    """Says so, and what to do."""
    with contextlib.closing(listen("127.0.0.1", 0, has_keys=False)) as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=f"port {port}: address already in use; choose another"):
            listen("127.0.0.1", port, has_keys=False)


def test_a_name_that_is_none():
    """Is no address either."""
    with pytest.raises(AddressUnavailable):
        listen("no.such.host.invalid", 0, has_keys=False)


class TestWish:
    """What settings and options make of it."""

    @pytest.mark.parametrize(
        ("options", "settings", "is_served"),
        [
            (ServeOptions(), {}, False),
            (ServeOptions(), {"api_enabled": True}, True),
            (ServeOptions(is_default=True), {}, True),
            (ServeOptions(is_default=True, is_served=False), {"api_enabled": True}, False),
            (ServeOptions(is_served=True), {}, True),
            (ServeOptions(port=0), {}, True),
        ],
    )
    def test_whether(self, options, settings, is_served):
        """An option counts before a setting, that before what is usual."""
        listener = options.opened(Settings(**{"api_port": 0, **settings}))
        assert (listener is not None) is is_served
        if listener is not None:
            listener.close()

    def test_a_setting_that_says_no(self):
        """Is told from one that was left alone."""
        settings = Settings(api_port=0, origins={"api_enabled": "environment OMNIDAEMON_API_ENABLED"})
        assert ServeOptions(is_default=True).opened(settings) is None

    def test_a_taken_port(self):
        """Is an error for who has asked for it, else a warning."""
        with contextlib.closing(listen("127.0.0.1", 0, has_keys=False)) as listener:
            port = listener.socket.getsockname()[1]
            in_file = Settings(api_port=port, origins={"api_port": "omnidaemon.toml (/x)"})
            for options, settings, asked_by in (
                (ServeOptions(port=port), Settings(), "--api-port was given;"),
                (ServeOptions(is_served=True), Settings(api_port=port), "--api was given;"),
                (ServeOptions(is_default=True), Settings(api_port=port), "OMNIDAEMON_API_PORT is set;"),
                (ServeOptions(), Settings(api_enabled=True, api_port=port), "OMNIDAEMON_API_PORT is set;"),
                (ServeOptions(is_default=True), in_file, "OMNIDAEMON_API_PORT is set (from omnidaemon.toml (/x));"),
            ):
                with pytest.raises(AddressUnavailable) as caught:
                    options.opened(settings)
                assert f"already in use, which is an error since {asked_by}" in str(caught.value)
                assert "; a further worker of this machine takes --no-api, else choose another" in str(caught.value)

    def test_as_options(self):
        """What a child process is told means the same."""
        assert ServeOptions(is_default=True).arguments() == []
        assert ServeOptions(is_served=False).arguments() == ["--no-api"]
        assert ServeOptions(is_served=True, host="::1", port=0).arguments() == [
            "--api",
            "--api-host",
            "::1",
            "--api-port",
            "0",
        ]


def test_with_keys_any_address():
    """Has its uses."""
    keys = made_sdk(api_keys=KEYS).settings.api_keys
    with contextlib.closing(listen("0.0.0.0", 0, has_keys=bool(keys))) as listener:  # noqa: S104 - that is the test
        assert listener.url.startswith("http://0.0.0.0:")
