"""Settings: their sources, who wins, and what is refused."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import ConnectionPool

from omnidaemon.adapters.redis.connection import DEFAULT_URL
from omnidaemon.bootstrap.server_addresses import addresses_of
from omnidaemon.domain.errors import InvalidSetting, UnknownBackend, UnknownSetting


def test_defaults(load):
    """Nothing has to be set."""
    settings = load()
    assert (settings.event_bus_type, settings.result_store_type) == ("sqlite", "sqlite")
    assert (settings.namespace, settings.log_level) == ("omni", "INFO")
    assert (settings.result_ttl, settings.dead_letter_ttl) == (timedelta(days=1), None)
    assert (settings.payload_max_bytes, settings.result_max_bytes) == (1_048_576, 16_777_216)
    assert (settings.drain_seconds, settings.allow_mismatch) == (30.0, False)
    assert set(settings.origins.values()) == {"default"}


def test_stronger_sources_win_and_each_value_knows_its_origin(load, tmp_path):
    """Defaults < omnidaemon.toml < .env < environment < arguments, value by value."""
    settings = load(
        {"log_level": "error"},
        toml='namespace = "toml"\nresult_ttl = "1h"\ndrain_seconds = 1\nlog_level = "DEBUG"',
        env="OMNIDAEMON_RESULT_TTL=2h\nOMNIDAEMON_DRAIN_SECONDS=2\nOMNIDAEMON_LOG_LEVEL=debug",
        OMNIDAEMON_DRAIN_SECONDS="3",
        OMNIDAEMON_LOG_LEVEL="debug",
    )
    assert settings.namespace == "toml"
    assert settings.result_ttl == timedelta(hours=2)
    assert settings.drain_seconds == 3.0
    assert settings.log_level == "ERROR"
    assert settings.origins["namespace"] == f"omnidaemon.toml ({tmp_path / 'omnidaemon.toml'})"
    assert settings.origins["result_ttl"] == f".env ({tmp_path / '.env'})"
    assert settings.origins["drain_seconds"] == "environment OMNIDAEMON_DRAIN_SECONDS"
    assert settings.origins["log_level"] == "arguments"
    assert settings.origins["event_bus_type"] == "default"


def test_the_nearest_files_upward_are_read(load, tmp_path):
    """A command in a project's subfolder uses the project's settings and data."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = load(toml='namespace = "outer"', env="OMNIDAEMON_LOG_LEVEL=debug", directory=deep)
    assert (settings.namespace, settings.log_level) == ("outer", "DEBUG")
    assert settings.data_dir == tmp_path / ".omnidaemon"


def test_env_files_are_not_exported(load):
    """A .env file is read, never put into the process's environment."""
    assert load(env="EVENT_BUS_TYPE=memory").event_bus_type == "memory"
    assert "EVENT_BUS_TYPE" not in os.environ


def test_the_table_named_omnidaemon_works_like_the_top(load):
    """Both places are allowed, for different settings at once."""
    settings = load(toml='namespace = "x"\n[omnidaemon]\nevent_bus_type = "memory"\nallow_mismatch = true')
    assert (settings.namespace, settings.event_bus_type, settings.allow_mismatch) == ("x", "memory", True)
    assert settings.result_store_type == "memory"


def test_empty_variables_and_arguments_of_none_count_as_unset(load):
    """As when a compose file passes on a variable that nobody has set."""
    assert load({"namespace": None}, OMNIDAEMON_NAMESPACE="").namespace == "omni"


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("EVENT_BUS_TYPE", " Memory ", "memory"),
        ("OMNIDAEMON_RESULT_TTL", "90s", timedelta(seconds=90)),
        ("OMNIDAEMON_DEAD_LETTER_TTL", "2d", timedelta(days=2)),
        ("OMNIDAEMON_DEAD_LETTER_TTL", "none", None),
        ("OMNIDAEMON_PAYLOAD_MAX_BYTES", "2048", 2048),
        ("OMNIDAEMON_DRAIN_SECONDS", "1m", 60.0),
        ("OMNIDAEMON_DRAIN_SECONDS", "0", 0.0),
        ("OMNIDAEMON_ALLOW_MISMATCH", "Yes", True),
        ("OMNIDAEMON_ALLOW_MISMATCH", "0", False),
    ],
)
def test_text_becomes_a_value_of_its_kind(load, variable, text, value):
    """What the environment gives is read by the setting's own kind."""
    name = variable.removeprefix("OMNIDAEMON_").lower()
    assert getattr(load(**{variable: text}), name) == value


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("EVENT_BUS_TYPE", "a bus", "the name of an adapter"),
        ("OMNIDAEMON_NAMESPACE", "a:b", "1 to 200 of the characters"),
        ("OMNIDAEMON_RESULT_TTL", "soon", "a duration such as 90"),
        ("OMNIDAEMON_RESULT_TTL", "0", "above 0"),
        ("OMNIDAEMON_DEAD_LETTER_TTL", "never", "or none"),
        ("OMNIDAEMON_PAYLOAD_MAX_BYTES", "1MB", "a number of bytes above 0"),
        ("OMNIDAEMON_RESULT_MAX_BYTES", "-1", "a number of bytes above 0"),
        ("OMNIDAEMON_LOG_LEVEL", "loud", "one of TRACE, DEBUG"),
        ("OMNIDAEMON_ALLOW_MISMATCH", "maybe", "true or false"),
        ("OMNIDAEMON_DATA_DIR", "~nobody-has-this-name/x", "the path of a directory"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_origin(load, variable, text, expected):
    """The error says what was set where, and what it takes."""
    with pytest.raises(InvalidSetting) as caught:
        load(**{variable: text})
    assert (caught.value.name, caught.value.value, caught.value.origin) == (variable, text, f"environment {variable}")
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    "line",
    ["payload_max_bytes = 1.5", "payload_max_bytes = true", "data_dir = 1", "event_bus_type = 5", "result_ttl = []"],
)
def test_a_value_of_the_wrong_type_in_a_file_is_refused(load, line):
    """TOML has types, and the wrong one is an error."""
    with pytest.raises(InvalidSetting, match=r"omnidaemon\.toml"):
        load(toml=line)


def test_an_unknown_key_in_the_file_is_an_error_with_a_suggestion(load, tmp_path):
    """A typo does not go unnoticed."""
    with pytest.raises(UnknownSetting) as caught:
        load(toml='event_bus_typ = "memory"')
    assert caught.value.suggestion == "event_bus_type"
    assert caught.value.origin == f"omnidaemon.toml ({tmp_path / 'omnidaemon.toml'})"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("OMNIDAEMON_NAMESPCE", "OMNIDAEMON_NAMESPACE"),
        ("OMNIDAEMON_EVENT_BUS_TYPE", "EVENT_BUS_TYPE"),
        ("OMNIDAEMON_DASHBOARD_PORT", None),
    ],
)
def test_an_unknown_variable_of_ours_is_an_error(load, name, suggestion):
    """In the environment and in .env alike, also for what only a later version knows."""
    with pytest.raises(UnknownSetting) as caught:
        load(**{name: "8765"})
    assert caught.value.origin == "environment"
    assert suggestion in (caught.value.suggestion, None)
    with pytest.raises(UnknownSetting, match=r"in \.env \("):
        load(env=f"{name}=1")


def test_variables_of_others_are_left_alone(load):
    """What the project's tests and Kubernetes set beside a Service called omnidaemon is no setting."""
    load(
        env="PATH=/bin",
        EDITOR="vi",
        OMNIDAEMON_TEST_REQUIRE_SERVERS="1",
        OMNIDAEMON_SERVICE_HOST="10.0.0.1",
        OMNIDAEMON_SERVICE_PORT_HTTP="8765",
        OMNIDAEMON_PORT="tcp://10.0.0.1:8765",
        OMNIDAEMON_API_PORT="tcp://10.0.0.1:8765",
        OMNIDAEMON_PORT_8765_TCP_ADDR="10.0.0.1",
        EVENT_BUS_NAME="orders",
        RESULT_STORE_URL="s3://results",
    )


def test_an_unknown_argument_is_an_error(load):
    """Arguments go by the names in Settings."""
    with pytest.raises(UnknownSetting, match="'namespaces' in arguments; did you mean namespace"):
        load({"namespaces": "x"})


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("a = ", r"omnidaemon\.toml is not TOML in UTF-8: Invalid value \(at end of document\)$"),
        ("omnidaemon = 1", "a table"),
        ('namespace = "a"\n[omnidaemon]\nnamespace = "b"', "it once, at the top or in"),
        ("options = 1", "a table"),
        ("[options]\nredis = [1]", r"options\.redis.*text, a number or true or false"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(load, toml, message):
    """Never half read, never passed over."""
    with pytest.raises(InvalidSetting, match=message) as caught:
        load(toml=toml)
    assert "omnidaemon.toml (" in caught.value.origin


def test_a_file_that_is_not_utf_8_is_an_error(load, tmp_path):
    """The error says what is wrong with the file."""
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(InvalidSetting, match=r"\.env is not text in UTF-8: "):
        load()


@pytest.mark.parametrize(
    ("env", "line"),
    [("= s3cret", 1), ("# a comment\nA=1\n\n  \n= s3cret\nB=2", 5), ('A="s3cret\nB=2', 1), ("A=1\r\n'b'c=s3cret", 2)],
)
def test_a_line_of_the_env_file_that_cannot_be_read_is_an_error(load, env, line, caplog):
    """With its number, and without the line, which may hold a password; python-dotenv would leave it out."""
    with pytest.raises(InvalidSetting, match=rf"\.env is not a file of variables: line {line} cannot") as caught:
        load(env=env)
    assert "s3cret" not in str(caught.value)
    assert not caplog.records


def test_a_bus_without_a_store_of_its_own_needs_one_named(load, monkeypatch, tmp_path):
    """The default store is the bus's own technology, where it has one."""
    install_bus(tmp_path, monkeypatch, "queue_only")
    with pytest.raises(InvalidSetting, match=r"RESULT_STORE_TYPE.*the bus 'queue_only' has none"):
        load(EVENT_BUS_TYPE="queue_only")
    assert load(EVENT_BUS_TYPE="queue_only", RESULT_STORE_TYPE="sqlite").result_store_type == "sqlite"


def install_bus(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Put a distribution on the path that offers a bus of this name, and no store."""
    metadata = folder / "site" / "another-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: another\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[omnidaemon.buses]\n{name} = another:bus\n")
    monkeypatch.syspath_prepend(str(folder / "site"))


def test_a_bus_that_is_not_installed_is_unknown(load):
    """Not a matter of the store: the bus is what the error names."""
    with pytest.raises(UnknownBackend, match=r"unknown bus 'sqlit' .*; installed: .*memory.*sqlite") as caught:
        load(EVENT_BUS_TYPE="sqlit")
    assert "(from environment EVENT_BUS_TYPE)" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EVENT_BUS_TYP", "EVENT_BUS_TYPE"),
        ("EVNET_BUS_TYPE", "EVENT_BUS_TYPE"),
        ("EVENTBUS_TYPE", "EVENT_BUS_TYPE"),
        ("event_bus_type", "EVENT_BUS_TYPE"),
        ("RESULT_STORE_TPYE", "RESULT_STORE_TYPE"),
        ("OMNIDAEMON_REDIS_URL", "REDIS_URL"),
    ],
)
def test_a_near_miss_of_a_backends_name_is_unknown(load, name, meant):
    """A slip of the keys does not go unnoticed, in the environment and in a file."""
    with pytest.raises(UnknownSetting, match=f"in environment; did you mean {meant}"):
        load(**{name: "memory"})
    with pytest.raises(UnknownSetting, match=rf"in \.env .*; did you mean {meant}"):
        load(env=f"{name}=memory")


def test_relative_data_dirs_are_relative_to_who_names_them(load, tmp_path):
    """A path in a file is relative to the file, one in the environment to the current folder."""
    deep = tmp_path / "deep"
    deep.mkdir()
    assert load(toml='data_dir = "data"', directory=deep).data_dir == tmp_path / "data"
    assert load(directory=deep, OMNIDAEMON_DATA_DIR="data").data_dir == deep / "data"
    assert load({"data_dir": Path("/srv/omni")}, directory=deep).data_dir == Path("/srv/omni")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG directories are for other systems")
def test_without_a_settings_file_data_is_kept_with_the_users(load, tmp_path):
    """XDG_DATA_HOME where it is an absolute path, else the usual place."""
    assert load().data_dir == tmp_path / "home" / ".local" / "share" / "omnidaemon"
    assert load(XDG_DATA_HOME="/srv/data").data_dir == Path("/srv/data/omnidaemon")
    assert load(XDG_DATA_HOME="relative").data_dir == tmp_path / "home" / ".local" / "share" / "omnidaemon"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("darwin", "home/Library/Application Support/omnidaemon"), ("win32", "home/AppData/Local/omnidaemon")],
)
def test_other_systems_have_other_places(load, monkeypatch, tmp_path, platform, expected):
    """macOS and Windows keep data where their users expect it."""
    monkeypatch.setattr("sys.platform", platform)
    assert load().data_dir == tmp_path / expected


@pytest.mark.parametrize("name", ["redis_url", "REDIS_URL", "redis_ulr"])
def test_an_option_at_the_top_of_the_file_belongs_elsewhere(load, name):
    """Whichever backends are chosen: the error says where."""
    with pytest.raises(UnknownSetting, match=rf"'{name}' in omnidaemon.toml .*mean REDIS_URL in the table \[options\]"):
        load(toml=f'{name} = "redis://example.org"')


@pytest.mark.parametrize("slip", ["REDIS_UR", "REDIS_ULR", "REDIS_URLL", "REDISURL", "REDIS_URI", "redis_url"])
def test_a_slip_in_the_address_of_a_server_that_is_used_is_unknown(load, slip):
    """The default would be used in its place; in the environment and in files."""
    with pytest.raises(UnknownSetting, match=rf"'{slip}' in environment; did you mean REDIS_URL\?"):
        load(EVENT_BUS_TYPE="redis", **{slip: "redis://host"})
    with pytest.raises(UnknownSetting, match=rf"'{slip}' in \.env .*; did you mean REDIS_URL\?"):
        load(EVENT_BUS_TYPE="redis", env=f"{slip}=redis://host")


@pytest.mark.parametrize("name", ["REDIS_HOST", "REDIS_URL_2", "REDIS_TLS_URL", "CELERY_REDIS_URL", "RQ_REDIS_URL"])
def test_addresses_of_other_programs_are_nobodys_slips(load, name):
    """However like ours they are named; nor is a slip where the address is given, or no such server used."""
    assert load(EVENT_BUS_TYPE="redis", **{name: "x"}).event_bus_type == "redis"
    assert load(EVENT_BUS_TYPE="redis", REDIS_URL="redis://host", REDIS_URI="x").option("REDIS_URL") == "redis://host"
    assert load(REDIS_URI="x").event_bus_type == "sqlite"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("foo", "foo"),
        ("http://me:word@host", "http://host"),
        ("me:word@host", "***@host"),
        ("redis://host:port", "redis://host:port"),
        ("redis://host:99999", "redis://host:99999"),
    ],
)
def test_an_address_that_can_be_none_is_refused(load, url, shown):
    """As any other setting is, where such a server is used; without its password."""
    with pytest.raises(
        InvalidSetting, match=r"\(from environment REDIS_URL\): expected a URL such as redis://"
    ) as caught:
        load(EVENT_BUS_TYPE="redis", REDIS_URL=url)
    assert (caught.value.name, caught.value.value) == ("REDIS_URL", shown)
    assert load(REDIS_URL=url).event_bus_type == "sqlite"


def test_the_address_of_anothers_adapter_is_judged_by_that_adapter(load, monkeypatch, tmp_path):
    """However it is called, and whichever variable it reads."""
    install_bus(tmp_path, monkeypatch, "redis_sentinel")
    url = "redis+sentinel://host:26379/primary"
    settings = load(EVENT_BUS_TYPE="redis_sentinel", RESULT_STORE_TYPE="sqlite", REDIS_URL=url)
    assert settings.option("REDIS_URL") == url
    assert load(EVENT_BUS_TYPE="redis_sentinel", RESULT_STORE_TYPE="sqlite", REDIS_URI="x").origins
    with pytest.raises(InvalidSetting):
        load(EVENT_BUS_TYPE="redis_sentinel", RESULT_STORE_TYPE="redis", REDIS_URL=url)


def test_addresses_of_servers_are_as_their_adapters_read_them(load):
    """The default is theirs, and each scheme one that they know."""
    (address,) = addresses_of("redis_stream", "redis")
    assert address.default == DEFAULT_URL
    for url in (DEFAULT_URL, "rediss://me:word@host:6380/1", "unix:///run/redis.sock?db=1"):
        assert load(EVENT_BUS_TYPE="redis", REDIS_URL=url).option(address.variable) == url
        ConnectionPool.from_url(url)
