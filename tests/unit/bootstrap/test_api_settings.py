"""The settings of the HTTP API: keys that nobody sees, addresses, names."""

from __future__ import annotations

import pytest

from omnidaemon.bootstrap.api_keys import ApiKey, Scope, matching
from omnidaemon.bootstrap.settings import Settings, load_settings
from omnidaemon.domain.errors import InvalidName, InvalidSetting
from omnidaemon.domain.secret import Secret

SECRET = "s3cr3t-" * 6


def made(**given: object) -> Settings:
    """Settings of nothing else."""
    return load_settings(given, environ={})


def test_a_plain_key_may_do_everything():
    """Its name is made of its hash."""
    key = ApiKey.parse(SECRET)
    assert key.scopes == frozenset(Scope)
    assert key.name.startswith("key-")


def test_a_key_with_scopes():
    """Joined by plus signs."""
    key = ApiKey.parse(f"ci:publish+read:{SECRET}")
    assert key.name == "ci"
    assert key.scopes == frozenset({Scope.PUBLISH, Scope.READ})
    assert str(key) == "ci (read+publish)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        SECRET[:31],
        f"ci:{SECRET}",
        f"ci::{SECRET}",
        f"ci:fly:{SECRET}",
        f"c i:read:{SECRET}",
        f"a:read:{SECRET}:x",
        f"ci:read:{SECRET[:20]}",
        SECRET + "\n" + SECRET,
        SECRET + "ü",
    ],
)
def test_what_is_no_key(text):
    """Refused, and the message holds nothing of it."""
    with pytest.raises((ValueError, InvalidName)):
        ApiKey.parse(text)
    with pytest.raises(InvalidSetting) as caught:
        made(api_keys=[text])
    assert text not in str(caught.value) or not text
    assert "at least 32 characters" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (SECRET[:31], "its secret has 31 of 32 characters"),
        (f"ci:{SECRET}", "it has 2 parts with colons between them, not one or three"),
        (f"a:read:{SECRET}:x", "it has 4 parts"),
        (f"ci:read+fly:{SECRET}", "its scopes, the second part"),
        (f"c/i:read:{SECRET}", "its name, the first part"),
        (SECRET + "ü", "its secret has characters that are not printable ASCII"),
    ],
)
def test_which_part_of_which_key_is_wrong_is_told(text, flaw):
    """By their places, without a word of them."""
    with pytest.raises(InvalidSetting, match=rf"; key 2 is none, {flaw}") as caught:
        made(api_keys=[SECRET, text])
    assert text not in str(caught.value)


def test_keys_are_kept_as_hashes():
    """Nothing of their text is anywhere in the settings."""
    settings = made(api_keys=f"ci:read:{SECRET}, {SECRET}2", api_key=SECRET)
    shown = {row.name: row.value for row in settings.shown()}
    assert shown["OMNIDAEMON_API_KEYS"].startswith("ci (read), key-")
    assert shown["OMNIDAEMON_API_KEY"] == "***"
    for text in (repr(settings), str(settings), repr(settings.api_keys), str(shown)):
        assert SECRET not in text
    assert settings.api_key is not None
    assert settings.api_key.reveal() == SECRET


def test_finding_the_key():
    """By its whole text."""
    keys = made(api_keys=[f"a:read:{SECRET}", f"b:read:{SECRET}2"]).api_keys
    found = matching(keys, SECRET)
    assert found is not None
    assert found.name == "a"
    assert matching(keys, SECRET[:-1]) is None
    assert matching((), SECRET) is None


def test_secrets_are_not_seen():
    """However they are printed."""
    secret = Secret("hush")
    assert (str(secret), repr(secret), f"{secret}") == ("***", "Secret('***')", "***")
    assert secret == Secret("hush")


@pytest.mark.parametrize(
    "given",
    [
        {"api_port": -1},
        {"api_port": 65536},
        {"api_port": "x"},
        {"api_port": True},
        {"api_host": "a b"},
        {"api_host": 5},
        {"api_url": "localhost:8765"},
        {"api_url": "ftp://x"},
        {"api_key": "ü"},
        {"api_hosts": 5},
        {"api_hosts": [5]},
        {"api_hosts": [""]},
        {"api_hosts": "example.org:8443"},
        {"api_hosts": "*.example.org"},
        {"api_hosts": "*"},
        {"api_hosts": "me@example.org"},
        {"api_hosts": "[::1]:80"},
        {"api_hosts": "1::2::3"},
        {"api_hosts": "http://example.org"},
        {"api_hosts": "m\u00fcller.example"},
    ],
)
def test_flawed_values(given):
    """Name the setting."""
    (name,) = given
    with pytest.raises(InvalidSetting, match=f"OMNIDAEMON_{name.upper()}"):
        made(**given)


def test_hosts_are_kept_as_they_are_compared():
    """However they are written."""
    told = made(api_hosts="Example.ORG. my_host [0:0:0:0:0:0:0:1] FE80::0:1, 10.0.0.1").api_hosts
    assert told == ("example.org", "my_host", "::1", "fe80::1", "10.0.0.1")


def test_from_the_environment_and_a_file(tmp_path):
    """A list may be one in TOML; a variable of Kubernetes is none of ours."""
    (tmp_path / "omnidaemon.toml").write_text(f'api_hosts = ["A.example"]\napi_keys = ["{SECRET}"]\napi_port = 0\n')
    environ = {"OMNIDAEMON_API_URL": "https://api.example/omni/", "OMNIDAEMON_API_PORT": "tcp://10.0.0.1:8765"}
    settings = load_settings(directory=tmp_path, environ=environ)
    assert (settings.api_hosts, settings.api_port, len(settings.api_keys)) == (("a.example",), 0, 1)
    assert settings.api_url == "https://api.example/omni"
