"""Options of adapters, and what a person gets to see of settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omnidaemon.adapters.redis.connection import DEFAULT_URL
from omnidaemon.bootstrap.settings import Settings, without_secrets
from omnidaemon.domain.errors import InvalidSetting


def test_options_are_found_by_their_environment_name_wherever_they_are(load):
    """Adapters read settings of their own from the same sources, in the same order."""
    settings = load(
        {"options": {"ACME_MODE": "argument"}},
        toml='[options]\nacme_url = "toml"\nacme_mode = "toml"\nacme_size = 5\nacme_fast = true\nacme_zone = "toml"',
        env="ACME_ZONE=file",
        ACME_URL="environment",
    )
    names = ("ACME_URL", "ACME_MODE", "ACME_SIZE", "ACME_FAST", "ACME_ZONE", "ACME_NONE")
    assert [settings.option(name) for name in names] == ["environment", "argument", "5", "true", "file", None]


def test_what_is_shown_has_origins_and_no_secrets(load, tmp_path):
    """A row per setting, then the options of files and those asked for; never the rest of the environment."""
    settings = load(
        toml='namespace = "x"\n[options]\nacme_url = "redis://me:word@host:1/0?password=p&db=2"\nacme_api_key = "abc"',
        NATS_URL="nats://t0ken@host:4222",
        HISTFILE="x",
        OMNIDAEMON_RESULT_TTL="90m",
    )
    rows = {row.name: (row.value, row.origin) for row in settings.shown(options=["NATS_URL", "ACME_NONE"])}
    file = f"omnidaemon.toml ({tmp_path / 'omnidaemon.toml'})"
    assert list(rows)[:2] == ["EVENT_BUS_TYPE", "RESULT_STORE_TYPE"]
    assert rows["OMNIDAEMON_NAMESPACE"] == ("x", file)
    assert rows["OMNIDAEMON_RESULT_TTL"] == ("90m", "environment OMNIDAEMON_RESULT_TTL")
    assert rows["OMNIDAEMON_DEAD_LETTER_TTL"] == ("none", "default")
    assert rows["OMNIDAEMON_ALLOW_MISMATCH"] == ("false", "default")
    assert rows["OMNIDAEMON_DRAIN_SECONDS"] == ("30", "default")
    value, origin = rows["OMNIDAEMON_API_ENABLED"]
    assert (value.partition(":")[0], origin) == ("unset", "default")  # since it depends on who runs the agents
    assert rows["ACME_URL"] == ("redis://host:1/0?password=***&db=2", file)
    assert rows["ACME_API_KEY"] == ("***", file)
    assert rows["NATS_URL"] == ("nats://host:4222", "environment NATS_URL")
    assert not {"HISTFILE", "HOME", "ACME_NONE"} & set(rows)


@pytest.mark.parametrize("chosen", [{"EVENT_BUS_TYPE": "redis"}, {"RESULT_STORE_TYPE": "redis"}])
def test_the_address_of_a_server_that_is_used_is_shown(load, chosen):
    """With where it came from, its default too, and without its password; not where no such server is used."""

    def shown(**env):
        return {row.name: (row.value, row.origin) for row in load(OMNIDAEMON_ALLOW_MISMATCH="true", **env).shown()}

    given = "redis://me:word@host:1/0"
    assert shown(**chosen)["REDIS_URL"] == (DEFAULT_URL, "default")
    assert shown(**chosen, REDIS_URL=given)["REDIS_URL"] == ("redis://host:1/0", "environment REDIS_URL")
    assert "REDIS_URL" not in shown(REDIS_URL=given)


@pytest.mark.parametrize("url", ["redis://:p%40ss@host/0", "redis://u:p@s/s@host/0", "nats://u:p@host/0"])
def test_no_part_of_a_password_is_shown(url):
    """Also when it holds what a URL should have escaped."""
    assert without_secrets("X_URL", url).endswith("://host/0")


def test_printing_settings_shows_nothing_of_the_environment(load):
    """Settings end up in logs and tracebacks."""
    assert "s3cret" not in repr(load(AWS_SESSION="s3cret"))


def test_settings_made_in_code_are_checked_and_have_the_same_defaults():
    """Embedding and tests need no files."""
    ttl: Any = "10m"  # read as text is
    settings = Settings(event_bus_type="memory", result_ttl=ttl, data_dir=Path("/srv"))
    assert (settings.result_store_type, settings.result_ttl) == ("memory", timedelta(minutes=10))
    assert settings.option("ANY") is None
    assert Settings().data_dir.is_absolute()
    with pytest.raises(InvalidSetting, match=r"OMNIDAEMON_PAYLOAD_MAX_BYTES=0 \(from Settings\(\)\)"):
        Settings(payload_max_bytes=0)


WEBHOOK_SECRET = "whsec_" + "QUJD" * 8


def test_a_webhook_secret_is_shown_nowhere(load):
    """Neither by `config show`, nor when settings are printed, nor when it is refused."""
    settings = load(OMNIDAEMON_WEBHOOK_SECRET=f"{WEBHOOK_SECRET} {WEBHOOK_SECRET}")
    assert [secret.reveal() for secret in settings.webhook_secret] == [WEBHOOK_SECRET, WEBHOOK_SECRET]
    (shown,) = (row.value for row in settings.shown() if row.name == "OMNIDAEMON_WEBHOOK_SECRET")
    assert shown == "***, ***"
    assert WEBHOOK_SECRET not in repr(settings)
    for wrong in (WEBHOOK_SECRET[:-8], WEBHOOK_SECRET + "!", "whsec_hunter2"):
        with pytest.raises(InvalidSetting, match="OMNIDAEMON_WEBHOOK_SECRET") as caught:
            load(OMNIDAEMON_WEBHOOK_SECRET=wrong)
        assert wrong not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("10.0.0.0/8, intern.example", ("10.0.0.0/8", "intern.example")),
        ("fd00::/8 localhost", ("fd00::/8", "localhost")),
        (["192.168.1.7"], ("192.168.1.7",)),
    ],
)
def test_hosts_that_webhooks_may_go_to(load, given, hosts):
    """Names, addresses and networks, as text or as a list."""
    assert load({"webhook_allow": given}).webhook_allow == hosts


@pytest.mark.parametrize("given", ["10.0.0.0/40", "*.example", "http://intern.example", "a..b", 5, [5]])
def test_what_is_no_host_is_refused(load, given):
    """A pattern that would allow nothing must not look as if it did."""
    with pytest.raises(InvalidSetting, match="OMNIDAEMON_WEBHOOK_ALLOW"):
        load({"webhook_allow": given})
